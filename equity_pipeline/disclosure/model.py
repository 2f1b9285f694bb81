"""The published counts as a system of equations: what an outsider knows about hidden counts without being
told.

A *group* is a school × dimension × subgroup; a *count* is a number of students per group and school year,
such as the `n` of a
metric. Within one school year and one count, groups add up (`equations`), and that holds for every count
alike. A published row
states counts of its own group and of its reference; rates, gaps, intervals and students needed follow from
these four numbers,
so they add no equation of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

DISTRICT = "_all"
ALL_STUDENTS = "all_students"
CELL = ["school_year", "metric_id", "school_id", "dimension", "subgroup"]
GROUP = ["school_id", "dimension", "subgroup"]

# metric, count → the same number under the name it has in another metric: takers are the successes of taking.
COUNT_IDENTITIES = {
    ("exam_taken", "n"): ("ap_ib_enrollment", "successes"),
    ("exam_passed_of_takers", "n"): ("exam_taken", "successes"),
    ("exam_passed_of_enrolled", "n"): ("ap_ib_enrollment", "successes"),
    ("exam_passed_of_enrolled", "successes"): ("exam_passed_of_takers", "successes"),
    ("advanced_enrollment", "n"): ("ap_ib_enrollment", "n"),
    ("ap_stem_enrollment", "n"): ("ap_ib_enrollment", "n"),
    ("courses_offered_access", "n"): ("ap_ib_enrollment", "n"),
}

# Metric → the metric whose successes hold all of its students.
AMONG = {
    "exam_taken": "ap_ib_enrollment",
    "exam_passed_of_takers": "exam_taken",
    "exam_passed_of_enrolled": "ap_ib_enrollment",
    "course_grade_c_or_better": "ap_ib_enrollment",
    "course_seats_c_or_better": "ap_ib_enrollment",
}

# What is never negative in a group: metric, count → how often. Each holds by what the metrics mean.
_N, _S = "n", "successes"


def _part(inner: tuple[str, str], outer: tuple[str, str]) -> dict[tuple[str, str], int]:
    return {outer: 1, inner: -1}


_ENROLLED, _EVERYONE = ("ap_ib_enrollment", _S), ("ap_ib_enrollment", _N)
_MOVED = ("suspended_oss", "suspended_iss", "suspended_any", "referred", "expelled")
FORMS: tuple[dict[tuple[str, str], int], ...] = (
    _part(("course_grade_c_or_better", _N), _ENROLLED),
    _part(("course_grade_c_or_better", _N), ("course_seats_c_or_better", _N)),
    _part(("ap_stem_enrollment", _S), _ENROLLED),
    _part(_ENROLLED, ("advanced_enrollment", _S)),
    _part(_ENROLLED, ("course_completed", _N)),
    _part(("course_completed", _S), _ENROLLED),
    _part(("course_completed", _N), _EVERYONE),
    _part(("chronically_absent", _N), _EVERYONE),
    _part(("equity_and_excellence", _N), _EVERYONE),
    # Those who are not enrolled among a part of everyone are not more than those among everyone.
    *(
        form
        for metric in ("first_time_ap_ib", "ap_potential_enrolled")
        for form in (
            _part((metric, _N), _EVERYONE),
            _part((metric, _S), _ENROLLED),
            {_EVERYONE: 1, _ENROLLED: -1, (metric, _N): -1, (metric, _S): 1},
        )
    ),
    _part(("suspended_oss", _S), ("suspended_any", _S)),
    _part(("suspended_iss", _S), ("suspended_any", _S)),
    {("suspended_oss", _S): 1, ("suspended_iss", _S): 1, ("suspended_any", _S): -1},
    # Whom an incident counts at another school is the same student in the district.
    *(form for metric in _MOVED for form in (_part((metric, _N), _EVERYONE), _part(_EVERYONE, (metric, _N)))),
    # A school offers a course to all of its students or to none.
    _part(_EVERYONE, ("courses_offered_access", _S)),
    {("courses_offered_access", _S): -1},
)
# Metrics whose successes are a fact about a school, not about its students.
OF_SCHOOLS = frozenset({"courses_offered_access"})
# Metrics of everyone: a group has a row exactly when it has a student, so their students are at least 1.
POPULATION = frozenset({"ap_ib_enrollment"})
# Metrics whose students are all students of a group.
OF_EVERYONE = POPULATION | {
    metric for (metric, _), of in COUNT_IDENTITIES.items() if of == ("ap_ib_enrollment", "n")
}

_OF_COLOR = (
    "american_indian_or_alaska_native", "asian", "black", "hispanic", "middle_eastern_or_north_african",
    "native_hawaiian_or_pacific_islander", "two_or_more",
)  # fmt: skip

# dimension, subgroup → the finer dimension and its subgroups whose sum it is. english_learner_ever.yes is
# not here: current and
# former learners are published together only, so nothing adds up to it.
COARSENINGS = {
    ("student_of_color", "yes"): ("race_ethnicity", _OF_COLOR),
    ("student_of_color", "no"): ("race_ethnicity", ("white",)),
    ("student_of_color", "unknown"): ("race_ethnicity", ("unknown",)),
    ("race_alone_or_in_combination", "hispanic"): ("race_ethnicity", ("hispanic",)),
    ("english_learner_ever", "unknown"): ("english_learner", ("unknown",)),
    ("underrepresented", "no"): (
        "race_ethnicity*economically_disadvantaged",
        ("asian*no", "middle_eastern_or_north_african*no", "two_or_more*no", "white*no"),
    ),
}


class Group(NamedTuple):
    """Whom a row is about. `school_id` is `_all` for the district."""

    school_id: str
    dimension: str
    subgroup: str


class Equation(NamedTuple):
    """The count of `total` is the sum of the counts of `parts`."""

    total: Group
    parts: tuple[Group, ...]


def count_names(cells: pd.DataFrame) -> dict[tuple[str, str], tuple[str, str]]:
    """Metric, count (`n` or `successes`) → the one name of a count that several metrics publish.

    Counts delivered by a partner need not be the same where they should be; then each has its own name.

    Args:
        cells: one row per `CELL` of one school year, with `n` and `successes`.
    """
    group = cells.groupby(GROUP, sort=False).ngroup().to_numpy()
    metric, own = cells["metric_id"].to_numpy(object), {}
    seen: dict[Any, Any] = {}
    for name in [(m, count) for m in sorted(set(metric)) for count in (_N, _S)]:
        rows = metric == name[0]
        values = dict(zip(group[rows], cells[name[1]].to_numpy()[rows], strict=True))
        shared = COUNT_IDENTITIES.get(name, name)
        before = seen.setdefault(shared, {})
        same = all(before.get(g, value) == value for g, value in values.items())
        own[name] = shared if same else name
        if same:
            before |= values
    return own


def everyone(school_id: str) -> Group:
    """All students of a school."""
    return Group(school_id, ALL_STUDENTS, "all")


def published(frame: pd.DataFrame, dimensions: pd.DataFrame) -> pd.Series:
    """Per row of a mart: whether its kind of row is published at all, hidden or not.

    All grades together only, and dimensions with `publish_level` district at the district only.
    """
    district_only = set(dimensions.loc[dimensions["publish_level"] == "district", "dimension"])
    keep = ~frame["dimension"].isin(district_only) | (frame["school_id"] == DISTRICT)
    return keep & (frame["grade_level"] == DISTRICT) if "grade_level" in frame else keep


def equations(groups: Iterable[Group], dimensions: pd.DataFrame) -> list[Equation]:
    """What adds up among the groups that have a row, in a fixed order. A group without a row has no students.

    Partitioning dimensions to all students, schools to the district, crossings to their margins, coarse
    dimensions to finer ones.
    Each is used whether or not the partner's counts obey it: an outsider would assume it, and an equation
    too many only hides more.
    """
    groups = sorted(set(groups))
    present = set(groups)
    sums: dict[tuple[str, Group], list[Group]] = defaultdict(list)
    partitioning = set(dimensions.loc[dimensions["partitioning"] == "yes", "dimension"])
    crosses = {
        row.dimension: row.crosses.split(";")
        for row in dimensions.itertuples()
        if isinstance(row.crosses, str) and row.crosses
    }
    # A group of the district that no school has: the schools' rows of that dimension are not all there, so
    # they are no partition.
    in_schools = {g[1:] for g in groups if g.school_id != DISTRICT}
    incomplete = {g.dimension for g in groups if g.school_id == DISTRICT and g[1:] not in in_schools}
    for group in groups:
        school_id, dimension, subgroup = group
        whole = school_id == DISTRICT or dimension not in incomplete
        if dimension in partitioning and dimension != ALL_STUDENTS and whole:
            sums["partition of " + dimension, everyone(school_id)].append(group)
        if school_id != DISTRICT:
            sums["schools", Group(DISTRICT, dimension, subgroup)].append(group)
        if dimension in crosses:
            for margin, value in zip(crosses[dimension], subgroup.split("*"), strict=True):
                sums["margin of " + dimension, Group(school_id, margin, value)].append(group)
        fine = COARSENINGS.get((dimension, subgroup))
        if fine and (school_id == DISTRICT or fine[0] not in incomplete or len(fine[1]) == 1):
            sums["coarsening", group] += [
                part for name in fine[1] if (part := Group(school_id, fine[0], name)) in present
            ]
    return [
        Equation(total, tuple(parts))
        for (_, total), parts in sorted(sums.items())
        if parts and total in present
    ]


def parts_of(groups: Iterable[Group]) -> list[tuple[Group, Group]]:
    """Groups whose students are some of another group's, and that group; beyond what `equations` say."""
    present = set(groups)
    pairs = [
        (group, Group(group.school_id, dimension, subgroup))
        for group in sorted(present)
        for dimension, subgroup in (
            ("race_alone_or_in_combination", group.subgroup if group.dimension == "race_ethnicity" else ""),
            ("english_learner_ever", "yes" if group[1:] == ("english_learner", "yes") else ""),
        )
    ]
    return [pair for pair in pairs if pair[1] in present]
