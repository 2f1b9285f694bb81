"""Five invented districts over five school years, each in another shape and with another story, and with known truth.

Belongs here: who the districts are (`profiles`), how their true tables come about (`population`, `coursework`,
`climate`, `aggregate`), and how each writes its files (`writers`). Does not belong here: anything of the pipeline; the
sample knows only the formats that the world sends.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from equity_pipeline.sample import profiles
from equity_pipeline.sample.district import SampleDistrict, tables
from equity_pipeline.sample.writers import (
    aggregate,
    canonical,
    college_board_ap,
    edfi,
    oneroster,
    powerschool,
    programme_files,
    survey_files,
)
from equity_pipeline.storage.atomic import new_file
from equity_pipeline.storage.home import Home

__all__ = ["SEED", "SampleDistrict", "generate", "write"]

SEED = 20260701


def generate(seed: int = SEED, scale: float = 1.0) -> list[SampleDistrict]:
    """The five districts: the same seed and scale give the same tables and bytes.

    `scale` multiplies the number of students; the stories are told at 1, smaller ones are for quick tests.
    """
    shapes = (
        (profiles.RIVERSIDE, (canonical, college_board_ap, programme_files)),
        (profiles.LAKEVIEW, (oneroster, college_board_ap)),
        (profiles.CEDAR_VALLEY, (powerschool, college_board_ap, programme_files)),
        (profiles.HARBORVIEW, (edfi, programme_files, survey_files)),
        (profiles.PRAIRIE_ROSE, (aggregate,)),
    )
    return [
        SampleDistrict(profile.partner_id, tables(profile, seed, scale), writers)
        for profile, writers in shapes
    ]


def write(home: Home, seed: int = SEED, scale: float = 1.0) -> list[str]:
    """Write partner files and deliveries into a home and return the partner ids.

    A file that is there with the same bytes is left alone, so that a second run delivers nothing new.
    """
    districts = generate(seed, scale)
    for district in districts:
        _put(home.partner_file(district.partner_id), district.partner_file.encode())
        with tempfile.TemporaryDirectory() as scratch:
            district.deliver(Path(scratch))
            for path in sorted(Path(scratch).iterdir()):
                _put(home.landing(district.partner_id) / path.name, path.read_bytes())
    return [district.partner_id for district in districts]


def _put(target: Path, content: bytes) -> None:
    if not target.exists() or target.read_bytes() != content:
        with new_file(target) as scratch:
            scratch.write_bytes(content)
