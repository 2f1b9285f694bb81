"""What a partner file may say about a course."""

from __future__ import annotations

import pytest

from equity_pipeline.domain.errors import PartnerFileError
from equity_pipeline.partners import registry

TEXT = """\
partner_id: north_sd
name: North
state: NC
timezone: America/New_York
first_school_year: 2022-23
sources:
  - {name: canonical, format: canonical, files: ["*.csv"]}
courses:
  - {course_id: "0042", level: ap}
"""


def _load(tmp_path, text):
    path = tmp_path / "north_sd.yml"
    path.write_text(text)
    return registry.load(path)


def test_a_decision_holds_for_every_school_and_year_unless_it_says_less(tmp_path):
    more = '  - {course_id: "0042", level: other, school_id: "7", from: 2024-25}\n'
    everywhere, here = _load(tmp_path, TEXT + more).courses
    assert (everywhere.course_id, everywhere.level, everywhere.school_id, everywhere.from_school_year) == (
        "0042",
        "ap",
        None,
        None,
    )
    assert (here.school_id, here.from_school_year) == ("7", 2025)


def test_an_unknown_level_names_the_line_and_a_course_is_decided_once(tmp_path):
    with pytest.raises(PartnerFileError, match=r"line 9: courses\.0\.level"):
        _load(tmp_path, TEXT.replace("level: ap", "level: hard"))
    with pytest.raises(PartnerFileError, match="0042.*decided twice"):
        _load(tmp_path, TEXT + '  - {course_id: "0042", level: ib}\n')
