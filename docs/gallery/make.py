"""Takes the pictures of this folder: `PYTHONPATH=. python docs/gallery/make.py` from the top of the repository.

The partners are the simulated ones of `tests/publishing` and, for the programmes, the sample's as `tests/programmes` builds
them; no picture shows data of a district. With names of pages only those are taken.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from equity_pipeline import sample
from equity_pipeline.publishing import network
from equity_pipeline.publishing.release import write_release
from equity_pipeline.storage.home import Home
from tests.programmes.conftest import SCALE, Built
from tests.publishing.conftest import holds
from tests.publishing.frames import context, frames, partner

HERE = Path(__file__).parent
PAGES = {
    "start": (
        "Start page: where the largest gaps are, whether they close, what is not known",
        "releases/riverside_usd/latest/index.html",
    ),
    "tracker": ("Gap tracker of one measure", "releases/riverside_usd/latest/tables/ap_ib_enrollment.html"),
    "tracker_es": ("Gap tracker in Spanish", "releases/riverside_usd/latest/tables/ap_ib_enrollment.es.html"),
    "tools": (
        "Tools Package: do closed gaps stay closed?",
        "releases/riverside_usd/latest/tables/tools_package.html",
    ),
    "school": ("One school", "releases/riverside_usd/latest/schools/0042.html"),
    "schools": ("Schools", "releases/riverside_usd/latest/schools/index.html"),
    "changes": ("What changed", "releases/riverside_usd/latest/changes.html"),
    "quality": ("Data quality", "releases/riverside_usd/latest/quality.html"),
    "methods": ("Methods", "releases/riverside_usd/latest/methods.html"),
    "network": ("The network, for programme staff", "releases/_network/latest/index.html"),
}
# Page of a programme: title, sample partner.
PROGRAMMES = {
    "action_for_equity": ("Action for Equity: where the partnership stands", "riverside_usd"),
    "scorecard": ("Opportunity scorecard", "cedar_valley_isd"),
    "scorecard_sheet": ("The scorecard on one page", "cedar_valley_isd"),
    "climate": ("Climate and discipline", "harborview_ps"),
    "cycles": ("Cycles of inquiry", "harborview_ps"),
    "presentation": ("For the leadership team", "harborview_ps"),
    "pack_students": ("A pack for an affinity group", "harborview_ps"),
    "needs": ("Needs assessment", "riverside_usd"),
    "plan": ("From problems to the plan, with the task force", "riverside_usd"),
    "evaluation": ("What initiatives changed", "riverside_usd"),
}
# width, height, medium, and how many pixels of the picture a pixel of the page gets: small files, still readable
VIEWS = {
    "1280": (1280, 900, "screen", 0.7),
    "768": (768, 1000, "screen", 0.7),
    "375": (375, 812, "screen", 0.9),
    "print": (794, 940, "print", 0.7),
}


def home(root: Path) -> Home:
    """A home with five partners, the first with a correction in its second release, and their network."""
    made = Home(root)
    who, marts, said = partner(), frames(), context()
    write_release(made, who, marts, said, holds)
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
    write_release(made, who, marts, said, holds)
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
        write_release(made, other, marts, context(), holds)
        partners[other.partner_id] = other
    network.publish(made, partners)
    return made


def programmes(root: Path, wanted: list[str]) -> None:
    """The sites of the sample partners whose pages are wanted, in `sample/<partner>/site`."""
    named = {partner for page, (_, partner) in PROGRAMMES.items() if page in wanted or not wanted}
    for district in sample.generate(scale=SCALE):
        if district.partner_id in named:
            Built(district, root / "sample" / district.partner_id)


def take(root: Path, wanted: list[str]) -> None:
    """`<page>_<view>.png` for every page and view, and the index of them."""
    pages = PAGES | {
        page: (title, f"sample/{partner}/site/programmes/{page}.html")
        for page, (title, partner) in PROGRAMMES.items()
    }
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for page, (_, path) in pages.items():
            for view, (width, height, media, scale) in VIEWS.items():
                if wanted and page not in wanted:
                    continue
                tab = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
                tab.emulate_media(media=media)
                tab.goto((root / path).resolve().as_uri())
                tab.screenshot(path=HERE / f"{page}_{view}.png")
                tab.close()
        browser.close()
    lines = [
        "# Gallery",
        "",
        "The current look, from simulated partners. `python docs/gallery/make.py` takes the pictures anew.",
        "",
    ]
    for page, (title, _) in pages.items():
        lines += [
            f"## {title}",
            "",
            " ".join(f'<img src="{page}_{view}.png" alt="{title}, {view}" height="420">' for view in VIEWS),
            "",
        ]
    (HERE / "README.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        if not sys.argv[1:] or set(PAGES) & set(sys.argv[1:]):
            home(Path(folder))
        programmes(Path(folder), sys.argv[1:])
        take(Path(folder), sys.argv[1:])
