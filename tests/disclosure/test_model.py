"""What the outsider is taken to know of the counts is true of a district's, and says nothing that is not there."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from equity_pipeline.disclosure.model import DISTRICT, FORMS, GROUP, OF_SCHOOLS, Group, equations
from tests.disclosure.conftest import PARTNER, District

# Whom an incident counts at another school is the same student in the district.
MOVED = {"suspended_oss", "suspended_iss", "suspended_any", "referred", "expelled"}
ENROLLED = ("ap_ib_enrollment", "successes")
# Nobody of this district drops a course, for Ed-Fi has no word for it, and attendance is sent of everyone.
ALWAYS_NOUGHT = (
    {("ap_ib_enrollment", "n"): 1, ("chronically_absent", "n"): -1},
    {("course_completed", "n"): 1, ENROLLED: -1},
    {ENROLLED: 1, ("course_completed", "successes"): -1},
)


@pytest.fixture(scope="session")
def counts(district: District) -> pd.DataFrame:
    """Exact counts, a row per school year and group, a column per (`n` or `successes`, metric)."""
    with duckdb.connect(district.home.warehouse(PARTNER), read_only=True) as connection:
        known = connection.execute(
            "from marts.gap_metrics where grade_level = '_all' and reference = 'overall'"
        ).df()
    known[["n", "successes"]] = known[["n", "successes"]].astype(float)
    return known.pivot(index=["school_year", *GROUP], columns="metric_id", values=["n", "successes"])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_never_negative_is_not(counts: pd.DataFrame, form: dict[tuple[str, str], int]) -> None:
    """Where some group has more than nought of it, so that the other way round it would be wrong."""
    if any(metric in OF_SCHOOLS or (count, metric) not in counts for metric, count in form):
        pytest.skip("a fact about schools, or no metric of the district's")
    values = sum(sign * counts[count, metric] for (metric, count), sign in form.items()).dropna()
    if {metric for metric, _ in form} & MOVED:
        values = values[values.index.get_level_values("school_id") == DISTRICT]
    if values.empty:
        pytest.skip("not measured in this district")
    assert values.min() >= 0
    if {name: -sign for name, sign in form.items()} in FORMS:
        assert values.max() == 0
    elif form not in ALWAYS_NOUGHT:
        assert values.max() > 0


def test_groups_add_up_as_the_equations_say(district: District, counts: pd.DataFrame) -> None:
    seen = set()
    for _, of_year in counts["n", "ap_ib_enrollment"].dropna().groupby(level="school_year"):
        students = {Group(*key[1:]): int(n) for key, n in of_year.items()}
        for total, parts in equations(students, district.dimensions):
            assert students[total] == sum(students[part] for part in parts), (total, parts)
            seen.add((total.dimension, parts[0].dimension, total.school_id == parts[0].school_id))
    assert {
        ("all_students", "race_ethnicity", True),
        ("all_students", "all_students", False),
        ("race_ethnicity", "race_ethnicity*sex", True),
        ("student_of_color", "race_ethnicity", True),
        ("underrepresented", "race_ethnicity*economically_disadvantaged", True),
    } <= seen
