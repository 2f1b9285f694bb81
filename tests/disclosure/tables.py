"""Gap marts of made-up districts, computed from students in plain Python. No code of the pipeline takes
part."""

from __future__ import annotations

import math
import random
from collections import defaultdict

import pandas as pd

RACES = ["white", "hispanic", "black", "asian", "two_or_more", "american_indian_or_alaska_native", "unknown"]
DIMENSIONS = pd.DataFrame(
    [
        ("all_students", None, "yes", None, "all"),
        ("race_ethnicity", "white", "yes", None, "all"),
        ("race_alone_or_in_combination", None, "no", None, "all"),
        ("student_of_color", "no", "yes", None, "all"),
        ("economically_disadvantaged", "no", "yes", None, "all"),
        ("english_learner", "no", "yes", None, "all"),
        ("disability_idea", "no", "yes", None, "all"),
        ("sex", "male", "yes", None, "all"),
        ("homeless", "no", "yes", None, "all"),
        ("race_ethnicity*economically_disadvantaged", "white*no", "yes", "race_ethnicity;economically_disadvantaged", "district"),
    ],
    columns=["dimension", "reference_subgroup", "partitioning", "crosses", "publish_level"],
)  # fmt: skip
METRICS = ["ap_ib_enrollment", "course_grade_c_or_better", "exam_taken", "exam_passed_of_takers"]


def students(seed: int, schools: int, size: int) -> list[dict]:
    """Students with a school, the answers to every dimension, and per metric None (not in it), 0 or 1."""
    rng = random.Random(seed)
    people = []
    for number in range(schools):
        weights = [rng.uniform(0.2, 1) * w for w in (45, 28, 14, 7, 4, 1, 0.7)]
        for _ in range(int(size * rng.uniform(0.6, 1.4))):
            race = rng.choices(RACES, weights)[0]
            poor = rng.random() < (0.3 if race in ("white", "asian") else 0.6)
            answer = {
                "all_students": ["all"],
                "race_ethnicity": [race],
                "race_alone_or_in_combination": [race]
                if race != "two_or_more"
                else rng.sample(["white", "black", "asian"], 2),
                "student_of_color": [{"white": "no", "unknown": "unknown"}.get(race, "yes")],
                "economically_disadvantaged": ["yes" if poor else "no"],
                "english_learner": ["yes" if rng.random() < 0.08 else "no"],
                "disability_idea": ["yes" if rng.random() < 0.13 else "no"],
                "sex": [rng.choice(["female", "male"])],
                "homeless": ["yes" if rng.random() < 0.02 else "no"],
            }
            answer["race_ethnicity*economically_disadvantaged"] = [
                race + "*" + answer["economically_disadvantaged"][0]
            ]
            enrolled = rng.random() < (0.25 if poor else 0.45)
            taken = enrolled and rng.random() < 0.75
            people.append(
                answer
                | {
                    "school_id": f"{number:04d}",
                    "ap_ib_enrollment": int(enrolled),
                    "course_grade_c_or_better": int(rng.random() < 0.85)
                    if enrolled and rng.random() < 0.95
                    else None,
                    "exam_taken": int(taken) if enrolled else None,
                    "exam_passed_of_takers": int(rng.random() < 0.6) if taken else None,
                }
            )
    return people


def counts(people: list[dict]) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """(metric, school, dimension, subgroup) → (n, successes), for every group that has a student."""
    found: dict[tuple, list[int]] = defaultdict(lambda: [0, 0])
    for person in people:
        for dimension in DIMENSIONS["dimension"]:
            for subgroup in person[dimension]:
                for school in (person["school_id"], "_all"):
                    for metric in METRICS:
                        cell = found[metric, school, dimension, subgroup]
                        if person[metric] is not None:
                            cell[0] += 1
                            cell[1] += person[metric]
    return {key: (n, s) for key, (n, s) in found.items()}


def wilson(n: int, s: int) -> tuple[float, float]:
    z, p = 1.959963984540054, s / n
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return tuple((p + z * z / (2 * n) + sign * half) / (1 + z * z / n) for sign in (-1, 1))


def gap_metrics(years: dict[int, dict[tuple, tuple[int, int]]]) -> pd.DataFrame:
    """The mart for the given counts of each school year, all four references, with every column of the
    contracts."""
    rows = []
    designated = dict(zip(DIMENSIONS["dimension"], DIMENSIONS["reference_subgroup"], strict=True))
    partitioning = dict(zip(DIMENSIONS["dimension"], DIMENSIONS["partitioning"] == "yes", strict=True))
    for year, cells in years.items():
        siblings = defaultdict(dict)
        for (metric, school, dimension, subgroup), value in cells.items():
            siblings[metric, school, dimension][subgroup] = value
        for (metric, school, dimension, subgroup), own in cells.items():
            known = {
                g: c for g, c in siblings[metric, school, dimension].items() if "unknown" not in g.split("*")
            }
            others = [c for g, c in known.items() if g != subgroup]
            large = {g: c for g, c in known.items() if c[0] >= 10}
            highest = min(large, key=lambda g: (-large[g][1] / large[g][0], g), default=None)
            named = designated[dimension]
            overall = cells[metric, school, "all_students", "all"]
            references = {
                "rest": (
                    None,
                    (sum(n for n, _ in others), sum(s for _, s in others))
                    if partitioning[dimension]
                    else None,
                ),
                "overall": ("all", overall),
                "highest": (highest, large.get(highest)),
                "designated": (named if named in known else None, known.get(named)),
            }
            for reference, (name, counts_) in references.items():
                rows.append(
                    (year, school, "_all", metric, dimension, subgroup, reference)
                    + _statistics(
                        own, name, counts_, references, overlaps=reference == "overall" or name == subgroup
                    )
                )
    keys = ["school_year", "school_id", "grade_level", "metric_id", "dimension", "subgroup", "reference"]
    frame = pd.DataFrame(rows, columns=keys + _STATISTICS)
    for column in ("n", "successes", "reference_n", "reference_successes", "students_needed"):
        frame[column] = frame[column].astype("Int64")
    for column in ("ppg2017_flag", "ppg2022_flag", "index80_flag", "reliable"):
        frame[column] = frame[column].astype("boolean")
    return frame.assign(
        partner_id="made_up", metric_version="1", policy_version="1", race_standard="1997", econ_basis="frl",
        snapshot_date=None, extract_as_of=None,
    ).sort_values(keys, ignore_index=True)  # fmt: skip


_STATISTICS = [
    "n",
    "successes",
    "rate",
    "reference_subgroup",
    "reference_n",
    "reference_successes",
    "reference_rate",
    "gap",
    "gap_low",
    "gap_high",
    "representation_index",
    "rate_ratio",
    "odds_ratio",
    "cohens_h",
    "ppg2017_margin",
    "ppg2017_flag",
    "ppg2022_margin",
    "ppg2022_flag",
    "index80_flag",
    "students_needed",
    "reliable",
    "reason",
]


def _rate(counts_: tuple[int, int] | None) -> float | None:
    return counts_[1] / counts_[0] if counts_ and counts_[0] else None


def _statistics(own: tuple, name: str | None, other: tuple | None, references: dict, overlaps: bool) -> tuple:
    (n, s), rate, against = own, _rate(own), _rate(other)
    overall, rest, best = (_rate(references[r][1]) for r in ("overall", "rest", "highest"))
    margin17 = max(1.96 * math.sqrt(0.25 / n), 0.03) if n else None
    p = 0.5 if s in (0, n) else rate
    margin22 = max(1.96 * math.sqrt(p * (1 - p) / n), 0.02) if n else None
    both = rate is not None and against is not None
    low = high = None
    if both and not overlaps:
        (l1, u1), (l2, u2) = wilson(*own), wilson(*other)
        low = rate - against - math.hypot(rate - l1, u2 - against)
        high = rate - against + math.hypot(u1 - rate, against - l2)
    odds = both and 0 < other[1] < other[0] and s < n
    reliable = n >= 10 and other is not None and other[0] >= 10
    reason = (
        "no_students"
        if not n
        else "reference_not_available"
        if against is None
        else None
        if reliable
        else "small"
    )
    return (
        n, s, rate, name, other[0] if other else None, other[1] if other else None, against,
        rate - against if both else None, low, high,
        rate / overall if n and overall else None,
        rate / against if both and against else None,
        s * (other[0] - other[1]) / ((n - s) * other[1]) if odds else None,
        2 * math.asin(math.sqrt(rate)) - 2 * math.asin(math.sqrt(against)) if both else None,
        margin17, rate + margin17 <= overall if n else None,
        margin22, rate - rest <= -margin22 if n and rest is not None else None,
        rate < 0.8 * best if n and best else None,
        max(0, -((s * other[0] - other[1] * n) // other[0])) if both else None,
        reliable, reason,
    )  # fmt: skip


def gap_closure(gaps: pd.DataFrame) -> pd.DataFrame:
    """The mart made from `gap_metrics`: this year's gap beside last year's, with a plain status."""
    keys = ["school_id", "metric_id", "dimension", "subgroup", "reference"]
    now = gaps[["school_year", *keys, "gap", "students_needed", "reliable"]]
    prior = (
        now[["school_year", *keys, "gap"]]
        .assign(school_year=now["school_year"] + 1)
        .rename(columns={"gap": "prior_gap"})
    )
    frame = now.merge(prior, on=["school_year", *keys], how="left")
    change = frame["gap"] - frame["prior_gap"]
    first = int(gaps["school_year"].min())
    baseline = now[now["school_year"] == first][[*keys, "gap"]].rename(columns={"gap": "baseline_gap"})
    frame = frame.merge(baseline, on=keys, how="left")
    return frame.assign(
        partner_id="made_up", baseline_school_year=pd.array([first] * len(frame), dtype="Int64"), gap_change=change,
        gap_change_low=change - 0.1, gap_change_high=change + 0.1, seats_gap=frame["students_needed"],
        status=["not_measurable" if pd.isna(g) or not r else "open" if g < -0.02 else "closed"
                for g, r in zip(frame["gap"], frame["reliable"], strict=True)],
        leveled_down=False, years_to_parity=None, goal_gap=None, on_track=None,
        comparable_to_prior_year=frame["prior_gap"].notna(), comparability_reason=None,
    ).drop(columns=["students_needed", "reliable"])  # fmt: skip


def tools_package(closure: pd.DataFrame) -> pd.DataFrame:
    """One row per designated gap: last year's status, this year's, and a rank by seats."""
    frame = closure[closure["reference"] == "designated"]
    keys = ["school_id", "metric_id", "dimension", "subgroup"]
    prior = frame[["school_year", *keys, "status"]].assign(school_year=frame["school_year"] + 1)
    frame = frame.merge(
        prior.rename(columns={"status": "prior_status"}), on=["school_year", *keys], how="left"
    )
    rank = (
        frame.assign(seats=frame["seats_gap"].fillna(0))
        .groupby("school_year")["seats"]
        .rank(method="first", ascending=False)
    )
    return frame[
        [
            "partner_id",
            "school_year",
            *keys,
            "prior_status",
            "status",
            "prior_gap",
            "gap",
            "gap_change",
            "leveled_down",
            "seats_gap",
        ]
    ].assign(urgency=1, urgency_rank=rank.astype("Int64"), what_to_do="look")


def district(seed: int = 1, schools: int = 3, size: int = 300, years: int = 2) -> dict[str, pd.DataFrame]:
    """All marts of a made-up district."""
    gaps = gap_metrics({2025 + y: counts(students(seed + y, schools, size)) for y in range(years)})
    closure = gap_closure(gaps)
    return {"gap_metrics": gaps, "gap_closure": closure, "tools_package": tools_package(closure)}
