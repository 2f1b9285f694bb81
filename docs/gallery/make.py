"""Takes the pictures of this folder: `PYTHONPATH=. python docs/gallery/make.py` from the top of the repository.

The partners are the simulated ones of `tests/publishing`; no picture shows data of a district.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from equity_pipeline.publishing import network
from equity_pipeline.publishing.release import write_release
from equity_pipeline.storage.home import Home
from tests.publishing.frames import context, frames, partner

HERE = Path(__file__).parent
PAGES = {
    "start": (
        "Start page: where the largest gaps are, whether they close, what is not known",
        "riverside_usd/latest/index.html",
    ),
    "tracker": ("Gap tracker of one measure", "riverside_usd/latest/tables/ap_ib_enrollment.html"),
    "tracker_es": ("Gap tracker in Spanish", "riverside_usd/latest/tables/ap_ib_enrollment.es.html"),
    "tools": ("Tools Package: do closed gaps stay closed?", "riverside_usd/latest/tables/tools_package.html"),
    "school": ("One school", "riverside_usd/latest/schools/0042.html"),
    "schools": ("Schools", "riverside_usd/latest/schools/index.html"),
    "changes": ("What changed", "riverside_usd/latest/changes.html"),
    "quality": ("Data quality", "riverside_usd/latest/quality.html"),
    "methods": ("Methods", "riverside_usd/latest/methods.html"),
    "network": ("The network, for programme staff", "_network/latest/index.html"),
}
# width, height, medium, and how many pixels of the picture a pixel of the page gets: small files, still readable
VIEWS = {
    "1280": (1280, 900, "screen", 0.8),
    "768": (768, 1000, "screen", 0.8),
    "375": (375, 812, "screen", 1),
    "print": (794, 940, "print", 0.8),
}


def home(root: Path) -> Home:
    """A home with five partners, the first with a correction in its second release, and their network."""
    made = Home(root)
    who, marts, said = partner(), frames(), context()
    write_release(made, who, marts, said, lambda folder: {"pass": True})
    gaps = marts["gap_metrics"]
    late = (
        (gaps["school_year"] == 2025)
        & (gaps["school_id"] == "_all")
        & (gaps["subgroup"] == "hispanic")
        & ~gaps["suppressed"]
    )
    gaps.loc[late, "n"] += 20
    gaps.loc[late, "rate"] -= 0.02
    corrected = {
        "delivery_id": "c" * 16,
        "file": "students_2024-25_corrected.csv",
        "extract": "students",
        "school_year": 2025,
    }
    said = dataclasses.replace(said, deliveries=[*said.deliveries, corrected])
    write_release(made, who, marts, said, lambda folder: {"pass": True})
    partners = {who.partner_id: who}
    for position, name in enumerate(
        ("Bayside Unified", "Cedar Valley Schools", "Granite County Schools", "Lakeview School District")
    ):
        other = partner(
            partner_id=name.split()[0].lower(),
            name=name,
            programs=who.model_dump()["programs"][position % 2 * 2 :],
            goals=[],
        )
        marts = frames(who=other, seed=position, size=700 + 300 * position)
        if position % 2:
            marts["tools_package"] = marts["tools_package"].iloc[:0]
        write_release(made, other, marts, context(), lambda folder: {"pass": True})
        partners[other.partner_id] = other
    network.publish(made, partners)
    return made


def take(releases: Path, wanted: list[str]) -> None:
    """`<page>_<view>.png` for every page and view, and the index of them."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for page, (_, path) in PAGES.items():
            for view, (width, height, media, scale) in VIEWS.items():
                if wanted and page not in wanted:
                    continue
                tab = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
                tab.emulate_media(media=media)
                tab.goto((releases / path).resolve().as_uri())
                tab.screenshot(path=HERE / f"{page}_{view}.png")
                tab.close()
        browser.close()
    lines = [
        "# Gallery",
        "",
        "The current look, from simulated partners. `python docs/gallery/make.py` takes the pictures anew.",
        "",
    ]
    for page, (title, _) in PAGES.items():
        lines += [
            f"## {title}",
            "",
            " ".join(f'<img src="{page}_{view}.png" alt="{title}, {view}" height="420">' for view in VIEWS),
            "",
        ]
    (HERE / "README.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        take(home(Path(folder)).root / "releases", sys.argv[1:])
