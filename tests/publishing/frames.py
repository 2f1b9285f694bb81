"""Marts as they look after disclosure control, made from simulated students: five schools, five years, four metrics."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing.context import Context, Labels
from equity_pipeline.publishing.source import descriptions

METRICS = pd.DataFrame(
    [
        ("ap_ib_enrollment", "Enrolled in an AP or IB course", "access", "higher_is_better",
         "Of students in grades 09-12 on the snapshot date: at least one AP or IB Diploma course enrollment in the school year, in any term and at any school, not dropped"),
        ("course_grade_c_or_better", "Course grade of C or better", "success", "higher_is_better",
         "Students with a final grade of C or better in an AP or IB course, of all AP or IB students with a final grade."),
        ("exam_taken", "Took an exam", "success", "higher_is_better",
         "Students who took an AP or IB exam, of all students in an AP or IB course."),
        ("exam_passed_of_takers", "Passed an exam (of takers)", "success", "higher_is_better",
         "Students with an AP score of 3 or an IB score of 4 or higher, of all exam takers."),
    ],
    columns=["metric_id", "label", "phase", "direction", "definition"],
).assign(version="1", source="Domain reference", requires="ap_ib_courses", sort=[10, 20, 30, 40])  # fmt: skip

DIMENSIONS = pd.DataFrame(
    [
        ("all_students", "All students", None, "yes", "all"),
        ("race_ethnicity", "Race/ethnicity", "white", "yes", "all"),
        ("economically_disadvantaged", "Low income", "no", "yes", "all"),
        ("english_learner", "English learner (current)", "no", "yes", "all"),
        ("disability_idea", "Disability (IDEA)", "no", "yes", "all"),
        ("sex", "Sex", "male", "yes", "all"),
        ("race_ethnicity*economically_disadvantaged", "Race/ethnicity and low income", "white*no", "yes", "district"),
    ],
    columns=["dimension", "label", "reference_subgroup", "partitioning", "publish_level"],
).assign(version="1", source="Domain reference", sort=range(7))  # fmt: skip

RACES = {
    "american_indian_or_alaska_native": ("American Indian or Alaska Native", 0.004, -0.10),
    "asian": ("Asian", 0.12, 0.07),
    "black": ("Black", 0.16, -0.17),
    "hispanic": ("Hispanic", 0.36, -0.13),
    "native_hawaiian_or_pacific_islander": ("Native Hawaiian or Pacific Islander", 0.012, -0.09),
    "two_or_more": ("Two or more races", 0.05, -0.02),
    "white": ("White", 0.294, 0.0),
}
YES_NO = {
    "economically_disadvantaged": (0.48, -0.12),
    "english_learner": (0.11, -0.2),
    "disability_idea": (0.13, -0.22),
}


def _subgroups() -> pd.DataFrame:
    names = {"economically_disadvantaged": "Low income", "english_learner": "English learners",
             "disability_idea": "Students with disabilities (IDEA)"}  # fmt: skip
    others = {"economically_disadvantaged": "Not low income", "english_learner": "Not English learners",
              "disability_idea": "Students without disabilities (IDEA)"}  # fmt: skip
    rows = [("all_students", "all", "All students")]
    rows += [("race_ethnicity", code, name) for code, (name, _, _) in RACES.items()]
    for dimension, name in names.items():
        rows += [(dimension, "yes", name), (dimension, "no", others[dimension])]
    rows += [("sex", "female", "Female"), ("sex", "male", "Male")]
    frame = pd.DataFrame(rows, columns=["dimension", "subgroup", "label"])
    return frame.assign(attribute=frame["dimension"], value=frame["subgroup"], sort=range(len(frame)))


LABELS = Labels(
    metrics=METRICS,
    dimensions=DIMENSIONS,
    subgroups=_subgroups(),
    policy=pd.DataFrame(
        [
            ("n_reliability", "10", "students", "1", "Multiple Measures for Accountability"),
            ("closure_tolerance", "0.02", "rate", "1", "Parity Index literature"),
            ("portfolio_smallest_partners", "3", "partners", "1", "Small portfolios name their members"),
            ("interval_z", "1.959963984540054", "z", "1", "Newcombe 1998, method 10"),
        ],
        columns=["key", "value", "unit", "version", "source"],
    ),
)

SCHOOLS = {"0011": "Arroyo Vista High School", "0012": "Bridgewater High School", "0042": "Cesar Chavez Early College",
           "0043": "Dogwood Academy", "0090": "Riverside Continuation School"}  # fmt: skip


def partner(**changes: object) -> Partner:
    """A partner with two years of Action for Equity, then the Tools Package, and two goals."""
    fields = {
        "partner_id": "riverside_usd", "name": "Riverside Unified School District", "state": "CA",
        "timezone": "America/Los_Angeles", "first_school_year": "2021-22",
        "programs": [
            {"school_year": "2023-24", "program": "action_for_equity", "phase": "access"},
            {"school_year": "2024-25", "program": "action_for_equity", "phase": "success"},
            {"school_year": "2025-26", "program": "tools_package"},
            {"school_year": "2025-26", "program": "equity_leader_lab", "school_id": "0042"},
        ],
        "expected": {"students": "10-15", "course_enrollments": "10-31", "exam_results": "08-15"},
        "sources": [{"name": "sis", "format": "canonical", "files": ["*.csv"]}],
        "goals": [
            {"metric_id": "ap_ib_enrollment", "dimension": "race_ethnicity", "subgroup": "black",
             "school_year": "2026-27", "gap": -0.02},
            {"metric_id": "ap_ib_enrollment", "dimension": "english_learner", "subgroup": "yes",
             "school_year": "2026-27", "gap": -0.1},
        ],
    }  # fmt: skip
    return Partner.model_validate(fields | changes)


def _students(years: list[int], schools: list[str], size: int, rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    for year in years:
        for position, school in enumerate(schools):
            n = max(3, int(size * (1.0, 0.85, 0.35, 0.2, 0.05)[position % 5]))
            race = rng.choice(
                list(RACES),
                n,
                p=np.array([s for _, s, _ in RACES.values()]) / sum(s for _, s, _ in RACES.values()),
            )
            part = pd.DataFrame({"school_year": year, "school_id": school, "race_ethnicity": race})
            for dimension, (share, _) in YES_NO.items():
                part[dimension] = np.where(rng.random(n) < share, "yes", "no")
            part["sex"] = np.where(rng.random(n) < 0.49, "female", "male")
            closing = 1 - 0.17 * (year - 2022)
            chance = 0.44 + closing * part["race_ethnicity"].map({c: e for c, (_, _, e) in RACES.items()})
            chance += np.where(part["economically_disadvantaged"] == "yes", 0.8 * closing * -0.1, 0)
            chance += np.where(part["english_learner"] == "yes", -0.2, 0) + np.where(
                part["disability_idea"] == "yes", -0.21, 0
            )
            part["ap_ib_enrollment"] = (rng.random(n) < chance.clip(0.02, 0.95)).astype(float)
            inside = part["ap_ib_enrollment"] == 1
            for metric, base in (("course_grade_c_or_better", 0.8), ("exam_taken", 0.72)):
                odds = base + 0.35 * part["race_ethnicity"].map({c: e for c, (_, _, e) in RACES.items()})
                part[metric] = np.where(inside, rng.random(n) < odds, np.nan).astype(float)
            taken = part["exam_taken"] == 1
            odds = 0.55 + 0.5 * (part["chance"] if "chance" in part else chance - 0.44)
            part["exam_passed_of_takers"] = np.where(taken, rng.random(n) < odds, np.nan).astype(float)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _counts(students: pd.DataFrame) -> pd.DataFrame:
    students = students.assign(all_students="all")
    students["race_ethnicity*economically_disadvantaged"] = (
        students["race_ethnicity"] + "*" + students["economically_disadvantaged"]
    )
    both = pd.concat([students, students.assign(school_id="_all")], ignore_index=True)
    parts = []
    for dimension, level in DIMENSIONS[["dimension", "publish_level"]].itertuples(index=False):
        rows = both if level == "all" else both[both["school_id"] == "_all"]
        for metric in METRICS["metric_id"]:
            grouped = (
                rows.groupby(["school_year", "school_id", dimension])[metric]
                .agg(["count", "sum"])
                .reset_index()
            )
            grouped.columns = ["school_year", "school_id", "subgroup", "n", "successes"]
            parts.append(grouped.assign(metric_id=metric, dimension=dimension))
    return _told(pd.concat(parts, ignore_index=True))


def _told(counts: pd.DataFrame) -> pd.DataFrame:
    """What a release says of a group: students to tens, the rate to a percent from 700 students on and else in a band,
    `rate` its middle; all else is worked out from these. `few`: students before rounding."""
    n, rate = counts["n"], counts["successes"] / counts["n"].where(counts["n"] > 0)
    percents = np.select([n >= 700, n >= 140, n >= 70], [1, 5, 10], 20)
    low = np.minimum(np.floor(100 * rate / percents + 1e-9), 100 / percents - 1) * percents
    texts = [
        None if width == 1 or np.isnan(start) else f"under {width}%" if start == 0
        else f"{start:g}% or more" if start + width == 100 else f"{start:g}% to {start + width:g}%"
        for start, width in zip(low, percents, strict=True)
    ]  # fmt: skip
    middle = np.where(percents == 1, (100 * rate).round().clip(1, 99), low + percents / 2) / 100
    rounded = ((n + 5) // 10 * 10).where(n > 0, 0)
    return counts.assign(n=rounded, successes=rounded * middle, rate=middle, rate_band=texts, few=n)


def _wilson(s: pd.Series, n: pd.Series) -> tuple[pd.Series, pd.Series]:
    z, p = 1.959963984540054, s / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def _gaps(counts: pd.DataFrame, reference: str) -> pd.DataFrame:
    keys = ["school_year", "school_id", "metric_id", "dimension"]
    frame = counts.merge(DIMENSIONS[["dimension", "reference_subgroup"]], on="dimension")
    if reference == "designated":
        named = frame[frame["subgroup"] == frame["reference_subgroup"]]
        named = named[[*keys, "n", "successes", "rate_band"]].rename(
            columns={
                "n": "reference_n",
                "successes": "reference_successes",
                "rate_band": "reference_rate_band",
            }
        )
        frame = frame.merge(named, on=keys, how="left")
    else:
        totals = frame.groupby(keys)[["n", "successes"]].transform("sum")
        own = 0 if reference == "overall" else 1
        frame["reference_n"] = totals["n"] - own * frame["n"]
        frame["reference_successes"] = totals["successes"] - own * frame["successes"]
        frame["reference_subgroup"] = frame["reference_rate_band"] = None
    frame["reference_rate"] = frame["reference_successes"] / frame["reference_n"].where(
        frame["reference_n"] > 0
    )
    frame["gap"] = frame["rate"] - frame["reference_rate"]
    low, high = _wilson(frame["successes"], frame["n"])
    rlow, rhigh = _wilson(frame["reference_successes"], frame["reference_n"])
    frame["gap_low"] = frame["gap"] - np.sqrt(
        (frame["rate"] - low) ** 2 + (rhigh - frame["reference_rate"]) ** 2
    )
    frame["gap_high"] = frame["gap"] + np.sqrt(
        (high - frame["rate"]) ** 2 + (frame["reference_rate"] - rlow) ** 2
    )
    same = frame["subgroup"] == frame["reference_subgroup"]
    overlap = same | (reference == "overall")
    frame.loc[overlap, ["gap_low", "gap_high"]] = np.nan
    needed = np.ceil(frame["reference_rate"] * frame["n"] - frame["successes"] - 1e-9).clip(lower=0)
    reliable = (frame["n"] >= 10) & (frame["reference_n"] >= 10)
    reason = np.where(frame["n"] == 0, "no_students", np.where(frame["gap"].isna(), "reference_not_available",
                      np.where(reliable, None, "small")))  # fmt: skip
    return frame.assign(
        reference=reference, grade_level="_all", students_needed=needed, reliable=reliable, reason=reason,
        representation_index=frame["rate"] / frame["reference_rate"], rate_ratio=frame["rate"] / frame["reference_rate"],
        odds_ratio=np.nan, cohens_h=np.nan, parity_index_adjusted=np.nan, p_value=np.nan, risk_ratio=np.nan,
        risk_ratio_reason=None, alternate_risk_ratio=np.nan, alternate_risk_ratio_reason=None, ppg2017_margin=0.03, ppg2017_flag=frame["gap"] < -0.03,
        ppg2022_margin=0.02, ppg2022_flag=frame["gap"] < -0.02, index80_flag=frame["rate"] < 0.8 * frame["reference_rate"],
    )  # fmt: skip


def _closure(gaps: pd.DataFrame, who: Partner) -> pd.DataFrame:
    keys = ["school_id", "metric_id", "dimension", "subgroup", "reference"]
    frame = gaps[["school_year", *keys, "gap", "gap_low", "gap_high", "reliable", "suppressed", "reference_rate",
                  "suppression_reason", "students_needed"]].copy()  # fmt: skip
    prior = frame[["school_year", *keys, "gap", "gap_low", "gap_high", "reference_rate"]].assign(
        school_year=frame["school_year"] + 1
    )
    frame = frame.merge(prior, on=["school_year", *keys], how="left", suffixes=("", "_prior"))
    frame["prior_gap"], frame["gap_change"] = frame["gap_prior"], frame["gap"] - frame["gap_prior"]
    half = np.sqrt(
        ((frame["gap_high"] - frame["gap_low"]) / 2) ** 2
        + ((frame["gap_high_prior"] - frame["gap_low_prior"]) / 2) ** 2
    )
    frame["gap_change_low"], frame["gap_change_high"] = frame["gap_change"] - half, frame["gap_change"] + half
    closed, reversed_ = (
        (frame["gap"] >= -0.02) & (frame["gap_high"] >= 0),
        (frame["gap"] > 0.02) & (frame["gap_low"] > 0),
    )
    was = (frame["gap_prior"] >= -0.02) & (frame["gap_high_prior"] >= 0)
    frame["status"] = np.select(
        [frame["gap"].isna() | ~frame["reliable"].astype(bool), reversed_, closed & was, closed, was,
         frame["gap_change_low"] > 0, frame["gap_change_high"] < 0],
        ["not_measurable", "reversed", "maintained_closed", "closed", "reopened", "narrowing", "widening"], "open",
    )  # fmt: skip
    frame["status"] = frame["status"].where(
        frame["gap_prior"].notna() | (frame["status"] != "maintained_closed"), "closed"
    )
    fall = frame["reference_rate_prior"] - frame["reference_rate"]
    frame["leveled_down"] = (frame["gap_change"] > 0) & (fall > 0) & (fall > frame["gap_change"] / 2)
    goals = pd.DataFrame([g.model_dump() for g in who.goals], columns=["metric_id", "dimension", "subgroup", "school_id",
                         "reference", "gap"]).rename(columns={"gap": "goal_gap"})  # fmt: skip
    frame = frame.merge(goals, on=keys, how="left")
    frame = frame.assign(
        partner_id=who.partner_id, baseline_school_year=2023, baseline_gap=np.nan, seats_gap=frame["students_needed"],
        years_to_parity=np.nan, on_track=(frame["gap"] >= frame["goal_gap"] - 0.05).where(frame["goal_gap"].notna()),
        comparable_to_prior_year=True, comparability_reason=None, rate_band=None, reference_rate_band=None,
    )  # fmt: skip
    values = ["gap", "prior_gap", "gap_change", "gap_change_low", "gap_change_high", "seats_gap", "goal_gap", "status",
              "leveled_down", "on_track", "baseline_gap", "years_to_parity", "baseline_school_year"]  # fmt: skip
    frame = frame.astype(
        {"status": object, "leveled_down": object, "on_track": object, "baseline_school_year": object}
    )
    frame.loc[frame["suppressed"], values] = None
    return frame[["partner_id", "school_year", *keys[:1], "metric_id", "dimension", "subgroup", "reference", *values[:1],
                  "prior_gap", "baseline_school_year", "baseline_gap", "gap_change", "gap_change_low", "gap_change_high",
                  "status", "leveled_down", "seats_gap", "years_to_parity", "goal_gap", "on_track",
                  "comparable_to_prior_year", "comparability_reason", "suppressed", "suppression_reason", "rate_band", "reference_rate_band"]]  # fmt: skip


URGENCY = {"reopened": 1, "widening": 2, "open": 3, "narrowing": 4, "closed": 5, "maintained_closed": 6, "reversed": 6,
           "not_measurable": 7}  # fmt: skip
VALUES = ["n", "successes", "rate", "reference_n", "reference_successes", "reference_rate", "gap", "gap_low", "gap_high",
          "representation_index", "rate_ratio", "odds_ratio", "cohens_h", "parity_index_adjusted", "p_value", "risk_ratio",
          "risk_ratio_reason", "alternate_risk_ratio", "ppg2017_margin", "ppg2017_flag", "ppg2022_margin",
          "ppg2022_flag", "index80_flag", "students_needed", "reliable"]  # fmt: skip
COLUMNS = ["partner_id", "school_year", "school_id", "grade_level", "metric_id", "dimension", "subgroup", "reference", "n",
           "successes", "rate", "reference_subgroup", "reference_n", "reference_successes", "reference_rate", "gap",
           "gap_low", "gap_high", "representation_index", "rate_ratio", "odds_ratio", "cohens_h", "parity_index_adjusted", "p_value", "risk_ratio",
          "risk_ratio_reason", "alternate_risk_ratio", "alternate_risk_ratio_reason", "ppg2017_margin",
           "ppg2017_flag", "ppg2022_margin", "ppg2022_flag", "index80_flag", "students_needed", "reliable", "reason",
           "metric_version", "policy_version", "race_standard", "econ_basis", "snapshot_date", "extract_as_of",
           "suppressed", "suppression_reason", "rate_band", "reference_rate_band"]  # fmt: skip


def frames(
    *, years: list[int] | None = None, schools: dict[str, str] | None = None, size: int = 1500, minimum_cell: int = 10,
    seed: int = 7, who: Partner | None = None, hide_all: bool = False, metrics: list[str] | None = None,
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Protected marts. In 2021-22 the district sent no exam results. `hide_all` suppresses every row; `metrics` keeps only some."""
    years, schools, who = (
        years or [2022, 2023, 2024, 2025, 2026],
        SCHOOLS if schools is None else schools,
        who or partner(),
    )
    counts = _counts(_students(years, list(schools), size, np.random.default_rng(seed)))
    counts = counts[counts["metric_id"].isin(metrics or METRICS["metric_id"])]
    gaps = pd.concat([_gaps(counts, r) for r in ("designated", "overall", "rest")], ignore_index=True)
    gaps = gaps.assign(
        partner_id=who.partner_id, metric_version="1", policy_version="1", race_standard="1997", econ_basis="meal_status",
        snapshot_date=pd.to_datetime(gaps["school_year"].sub(1).astype(str) + "-10-01").dt.date, extract_as_of=None,
    )  # fmt: skip
    gaps = gaps.astype(
        {c: object for c in ("ppg2017_flag", "ppg2022_flag", "index80_flag", "reliable", "reason")}
    )
    missing = gaps["metric_id"].str.startswith("exam_") & (gaps["school_year"] == 2022)
    gaps.loc[missing, VALUES] = None
    gaps.loc[missing, "reason"] = "not_measured: exam_results"
    small = ~missing & (hide_all | (gaps["few"] < minimum_cell))
    gaps["suppressed"] = small | missing
    gaps["suppression_reason"] = np.where(small, "privacy", np.where(missing, "not_measured", None))
    gaps.loc[small | missing, ["rate_band", "reference_rate_band"]] = None
    gaps.loc[small, VALUES] = None
    gaps[["successes", "reference_successes"]] = pd.NA
    gaps.loc[small, "reason"] = None
    gaps = gaps[COLUMNS].sort_values(COLUMNS[1:8], ignore_index=True)
    closure = _closure(gaps, who).sort_values(["school_year", "school_id", "metric_id", "dimension", "subgroup", "reference"],
                                              ignore_index=True)  # fmt: skip
    phase = METRICS.set_index("metric_id")["phase"]
    keep = ["partner_id", "school_year", "school_id", "metric_id", "dimension", "subgroup", "reference", "n", "rate", "gap",
            "students_needed", "suppressed", "suppression_reason", "rate_band", "reference_rate_band"]  # fmt: skip
    by_phase = {
        p: gaps.loc[gaps["metric_id"].map(phase) == p, keep].reset_index(drop=True)
        for p in ("access", "success")
    }
    named = dict(zip(DIMENSIONS["dimension"], DIMENSIONS["reference_subgroup"], strict=True))
    last = closure[(closure["school_year"] == max(years)) & (closure["reference"] == "designated")]
    last = last[last["subgroup"] != last["dimension"].map(named)]
    before = closure.assign(school_year=closure["school_year"] + 1).rename(columns={"status": "prior_status"})
    keys = ["school_year", "school_id", "metric_id", "dimension", "subgroup"]
    tools = last.merge(
        before.loc[before["reference"] == "designated", [*keys, "prior_status"]], on=keys, how="left"
    )
    tools["urgency"] = tools["status"].map(URGENCY).astype("Int64")
    tools["what_to_do"] = tools["status"].map({status: f"What to do when {status}" for status in URGENCY})
    tools["urgency_rank"] = tools["urgency"].rank(method="first").astype("Int64")
    tools["school_name"] = tools["school_id"].map(schools | {"_all": who.name})
    tools["metric_label"] = tools["metric_id"].map(METRICS.set_index("metric_id")["label"])
    tools["dimension_label"] = tools["dimension"].map(DIMENSIONS.set_index("dimension")["label"])
    tools["subgroup_label"] = [
        LABELS.subgroup(d, s) for d, s in zip(tools["dimension"], tools["subgroup"], strict=True)
    ]
    tools = tools[["partner_id", *keys, "school_name", "metric_label", "dimension_label", "subgroup_label", "prior_status", "status", "prior_gap", "gap", "gap_change", "leveled_down", "seats_gap",
                   "comparable_to_prior_year", "comparability_reason", "urgency", "what_to_do", "urgency_rank", "suppressed",
                   "suppression_reason", "rate_band", "reference_rate_band"]]  # fmt: skip
    return {
        "gap_metrics": gaps,
        "gap_closure": closure,
        **by_phase,
        "tools_package": tools.reset_index(drop=True),
    }


def context(schools: dict[str, str] | None = None, years: list[int] | None = None) -> Context:
    """What a release states besides the marts."""
    years = years or [2022, 2023, 2024, 2025, 2026]
    rows = [
        {
            "school_year": y,
            "extract": e,
            "rows_in": r + y % 7,
            "loaded": r - 4,
            "rejected": 3 + y % 7,
            "duplicates": 1,
        }
        for y in years
        for e, r in (("students", 5100), ("course_enrollments", 31240), ("exam_results", 1900))
        if not (e == "exam_results" and y == 2022)
    ]
    return Context(
        labels=LABELS,
        schools=SCHOOLS if schools is None else schools,
        deliveries=[
            {
                "delivery_id": f"{y:016x}",
                "file": f"students_{y - 1}-{y % 100}.csv",
                "extract": "students",
                "school_year": y,
            }
            for y in years
        ],
        quality=pd.DataFrame(rows),
        rejections=pd.DataFrame(
            [
                {"school_year": y, "extract": "students", "reason": "grade_level is missing", "rows": 3}
                for y in years
            ]
        ),
        refused=[
            {
                "file": "grades_final.csv",
                "message": "grades_final.csv: no column final_grade; map it in the partner file",
            }
        ],
        superseded=[
            {"file": f"students_{years[-1] - 1}-draft.csv", "extract": "students", "school_year": years[-1]}
        ],
        as_of=dt.date(years[-1] - 1, 11, 3),
        dictionary=descriptions(),
    )
