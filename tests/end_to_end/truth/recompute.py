"""The marts of a sample district, worked out a second time: plainly, in pandas, from the generator's true tables.

No code of the pipeline and none of its seeds: the rules stand here once more, in words of the contracts page, so that an
error on either side shows as a difference. Counts are whole numbers, rates are of 1, `_all` is the roll-up.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import polars as pl
import yaml

Z = 1.959963984540054
RELIABLE_N = 10
CLOSED_WITHIN = 0.02
LETTERS = ("A+", "A", "A-", "B+", "B", "B-", "C+", "C", "C-", "D+", "D", "D-", "F")
C_OR_BETTER = LETTERS[: LETTERS.index("C") + 1]
NUMERIC_C = 70

RACES = {
    "AmericanIndianOrAlaskaNative": "american_indian_or_alaska_native",
    "Asian": "asian",
    "BlackOrAfricanAmerican": "black",
    "MiddleEasternOrNorthAfrican": "middle_eastern_or_north_african",
    "NativeHawaiianOrPacificIslander": "native_hawaiian_or_pacific_islander",
    "White": "white",
}
SEVERAL_RACES = "DemographicRaceTwoOrMoreRaces"
UNDERREPRESENTED_RACES = {
    "american_indian_or_alaska_native", "black", "hispanic", "native_hawaiian_or_pacific_islander",
}  # fmt: skip
YES_NO = (
    "economically_disadvantaged", "disability_idea", "section_504", "homeless", "foster_care", "first_generation",
)  # fmt: skip
CROSSINGS = (("race_ethnicity", "economically_disadvantaged"), ("race_ethnicity", "sex"))
OVERLAPPING = "race_alone_or_in_combination"
DESIGNATED = {
    "race_ethnicity": "white", "sex": "male",
    "race_ethnicity*economically_disadvantaged": "white*no", "race_ethnicity*sex": "white*male",
} | dict.fromkeys(
    (*YES_NO, "student_of_color", "english_learner", "english_learner_ever", "underrepresented"), "no"
)  # fmt: skip
# Metric → what a year's tables must hold for it, the first missing one being the reason.
METRICS = {
    "ap_ib_enrollment": ["ap_ib_courses"],
    "advanced_enrollment": ["advanced_courses"],
    "ap_stem_enrollment": ["ap_stem_courses"],
    "first_time_ap_ib": ["ap_ib_courses", "earlier_years"],
    "ap_potential_enrolled": ["ap_ib_courses", "readiness_scores"],
    "courses_offered_access": ["ap_ib_courses"],
    "course_grade_c_or_better": ["ap_ib_courses", "final_grades"],
    "course_seats_c_or_better": ["ap_ib_courses", "final_grades"],
    "course_completed": ["ap_ib_courses"],
    "exam_taken": ["ap_ib_courses", "exam_results"],
    "exam_passed_of_takers": ["ap_ib_courses", "exam_results"],
    "exam_passed_of_enrolled": ["ap_ib_courses", "exam_results"],
    "equity_and_excellence": ["exam_history"],
    "belonging_favorable": ["survey_belonging"],
    "expectations_favorable": ["survey_expectations"],
    "chronically_absent": ["attendance"],
    "suspended_oss": ["discipline"],
    "suspended_iss": ["discipline"],
    "suspended_any": ["discipline"],
    "referred": ["discipline"],
    "expelled": ["discipline"],
}
ACTIONS = {
    "suspended_oss": {"oss"}, "suspended_iss": {"iss"}, "suspended_any": {"oss", "iss"}, "referred": {"referral"},
    "expelled": {"expulsion"},
}  # fmt: skip
LOWER_IS_BETTER = {"chronically_absent", *ACTIONS}
ADVANCED = {"ap", "ib", "ib_core", "aice", "dual_enrollment", "honors"}
STEM = {"02", "03", "10", "21", "math", "mathematics", "science", "computer science", "engineering", "stem"}
TERMS = {"S1": 10, "S2": 20, "FY": 90}
WITHDRAWN = {"W", "WD", "WP", "WF", "WITHDRAWN"}
# Sections of one assessment that add up to at least so much; PSAT 8/9 tells of history alone.
READY = ((("reading_test", "math_test"), 61.5), (("math_test",), 31.5), (("math",), 630))
REFERENCES = ("rest", "overall", "highest", "designated")
PLACE = ["school_year", "school_id", "grade_level", "metric_id"]
CELL = [*PLACE, "dimension", "subgroup"]
SERIES = ["school_id", "metric_id", "dimension", "subgroup", "reference"]


def gap_metrics(tables: Mapping[str, pl.DataFrame]) -> pd.DataFrame:
    """One row per school_year × school_id × grade_level × metric × dimension × subgroup × reference."""
    used = (
        "students",
        "school_enrollments",
        "courses",
        "course_enrollments",
        "exam_results",
        "readiness_scores",
        "attendance",
        "discipline",
        "survey_items",
        "survey_responses",
        "aggregate_counts",
    )
    frames = {name: pd.DataFrame(tables[name].to_dict(as_series=False)) for name in used if name in tables}
    counts = _aggregate_counts(frames) if "aggregate_counts" in frames else _student_counts(frames)
    return compare(counts)


# --- who and what is counted ----------------------------------------------------------------------------------------


def population(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per school_year × student of grades 09-12 who is enrolled on 1 October, with the school she belongs to."""
    stints = frames["school_enrollments"].copy()
    snapshot = pd.to_datetime([dt.date(year - 1, 10, 1) for year in stints["school_year"]])
    entry, end = pd.to_datetime(stints["entry_date"]), pd.to_datetime(stints["exit_date"])
    there = stints[(entry <= snapshot) & (end.isna() | (end >= snapshot))].copy()
    there["other"] = there["is_primary"].ne("yes")
    there = there.sort_values(["school_year", "student_id", "other", "entry_date", "school_id"])
    there = there.drop_duplicates(["school_year", "student_id"])[["school_year", "student_id", "school_id"]]
    students = frames["students"]
    students = students[students["grade_level"].isin(["09", "10", "11", "12"])]
    return students.merge(there, on=["school_year", "student_id"]).reset_index(drop=True)


def subgroups(students: pd.DataFrame) -> pd.DataFrame:
    """One row per student (its index as `student`) × dimension × subgroup; a student may have several races."""
    text = students.fillna({"races": "", "hispanic_latino": "unknown"})
    races = [set(filter(None, names.split(";"))) for names in text["races"]]
    hispanic = text["hispanic_latino"].eq("yes")
    roll_up = [
        "hispanic" if is_hispanic
        else "two_or_more" if len(names) > 1 or SEVERAL_RACES in names
        else RACES[next(iter(names))] if names
        else "unknown"
        for is_hispanic, names in zip(hispanic, races, strict=True)
    ]  # fmt: skip
    of = {"all_students": ["all"] * len(students), "race_ethnicity": roll_up}
    of["student_of_color"] = [{"unknown": "unknown", "white": "no"}.get(race, "yes") for race in roll_up]
    for name in YES_NO:
        of[name] = students[name].where(students[name].isin(["yes", "no"]), "unknown").tolist()
    of["sex"] = (
        students["sex"].where(students["sex"].isin(["female", "male", "nonbinary"]), "unknown").tolist()
    )
    learner = students["english_learner"].fillna("unknown")
    of["english_learner"] = learner.replace({"current": "yes", "former": "no", "never": "no"}).tolist()
    of["english_learner_ever"] = learner.replace({"current": "yes", "former": "yes", "never": "no"}).tolist()
    of["underrepresented"] = [
        "yes" if race in UNDERREPRESENTED_RACES or low_income == "yes"
        else "unknown" if "unknown" in (race, low_income)
        else "no"
        for race, low_income in zip(roll_up, of["economically_disadvantaged"], strict=True)
    ]  # fmt: skip
    for one, other in CROSSINGS:
        of[f"{one}*{other}"] = [f"{a}*{b}" for a, b in zip(of[one], of[other], strict=True)]
    long = [
        pd.DataFrame({"student": students.index, "dimension": dimension, "subgroup": values})
        for dimension, values in of.items()
    ]
    combined = [
        (student, group)
        for student, is_hispanic, names in zip(students.index, hispanic, races, strict=True)
        for group in (
            {RACES[name] for name in names - {SEVERAL_RACES}} | ({"hispanic"} if is_hispanic else set())
            or {"unknown"}
        )
    ]
    several = pd.DataFrame(combined, columns=["student", "subgroup"]).assign(dimension=OVERLAPPING)
    return pd.concat([*long, several], ignore_index=True)


def outcomes(frames: Mapping[str, pd.DataFrame], students: pd.DataFrame) -> pd.DataFrame:
    """Per student of the population and metric how much of her counts below (`n`) and above (`s`) the line.

    Columns: `n|<metric_id>`, `s|<metric_id>`, and `school|<metric_id>` where she counts at another school than her own;
    index as `students`.
    """
    key = ["school_year", "student_id"]
    who = pd.MultiIndex.from_frame(students[key])

    def among(rows: pd.DataFrame) -> np.ndarray:
        return who.isin(pd.MultiIndex.from_frame(rows[key]))

    def per_student(rows: pd.Series) -> np.ndarray:
        return rows.reindex(who).fillna(0).to_numpy(int)

    seats = _seats(frames, students)
    standing = seats[~seats["dropped"]]
    ap_ib = standing[standing["ap_ib"]]
    everyone, enrolled = np.ones(len(students), bool), among(ap_ib)
    graded = among(ap_ib[ap_ib["graded"]])
    first = standing[standing["ap_ib"]].groupby("student_id")["school_year"].min()
    first = students["student_id"].map(first)
    seen_since = students["student_id"].map(students.groupby("student_id")["school_year"].min())
    new = (students["grade_level"].eq("09") | (seen_since < students["school_year"])) & ~(
        first < students["school_year"]
    )
    offered = pd.MultiIndex.from_frame(students[["school_year", "school_id"]]).isin(
        pd.MultiIndex.from_frame(seats.loc[seats["ap_ib"], ["school_year", "school_id"]])
    )
    marks = ap_ib[ap_ib["graded"]].sort_values(["term_order", "good"], ascending=[True, False], kind="stable")
    last = marks.drop_duplicates([*key, "school_id", "course_id"], keep="last").groupby(key)["good"]
    finished = ap_ib[~ap_ib["withdrawn"]]
    result = {
        "n|ap_ib_enrollment": everyone, "s|ap_ib_enrollment": enrolled,
        "n|advanced_enrollment": everyone, "s|advanced_enrollment": among(standing),
        "n|ap_stem_enrollment": everyone,
        "s|ap_stem_enrollment": among(ap_ib[ap_ib["course_level"].eq("ap") & ap_ib["stem"]]),
        "n|first_time_ap_ib": new, "s|first_time_ap_ib": new & enrolled,
        "n|courses_offered_access": everyone, "s|courses_offered_access": offered,
        "n|course_grade_c_or_better": graded, "s|course_grade_c_or_better": among(ap_ib[ap_ib["good"]]),
        "n|course_seats_c_or_better": per_student(last.size()), "s|course_seats_c_or_better": per_student(last.sum()),
        "n|course_completed": among(seats[seats["ap_ib"]]), "s|course_completed": among(finished),
    }  # fmt: skip
    if "exam_results" in frames:
        exams = frames["exam_results"].rename(columns={"exam_year": "school_year"})
        with_course = exams.merge(
            ap_ib[[*key, "course_level"]].drop_duplicates(),
            left_on=[*key, "program"],
            right_on=[*key, "course_level"],
        )
        high = exams["score"] >= exams["program"].map({"ap": 3, "ib": 4})
        taken = among(with_course)
        passed = taken & among(exams[high])
        graduating = students["grade_level"].eq("12").to_numpy()
        ap_passed = exams.loc[high & exams["program"].eq("ap"), key].drop_duplicates()
        ever = np.zeros(len(students), bool)
        for back in range(4):
            ever |= among(ap_passed.assign(school_year=ap_passed["school_year"] + back))
        result |= {
            "n|exam_taken": enrolled, "s|exam_taken": taken,
            "n|exam_passed_of_takers": taken, "s|exam_passed_of_takers": passed,
            "n|exam_passed_of_enrolled": enrolled, "s|exam_passed_of_enrolled": passed,
            "n|equity_and_excellence": graduating, "s|equity_and_excellence": graduating & ever,
        }  # fmt: skip
    if "readiness_scores" in frames:
        ready = _ready(frames["readiness_scores"])
        potential = np.zeros(len(students), bool)
        for back in range(4):
            potential |= among(ready.assign(school_year=ready["school_year"] + back))
        result |= {"n|ap_potential_enrolled": potential, "s|ap_potential_enrolled": potential & enrolled}
    result |= _climate(frames, students, per_student, among)
    return pd.DataFrame(result, index=students.index)


def _ready(scores: pd.DataFrame) -> pd.DataFrame:
    """School year and student of those who reach one of `READY`."""
    scores = scores[scores["assessment"] != "psat_8_9"]
    sittings = scores.pivot_table(
        index=["school_year", "student_id", "assessment"], columns="section", values="score"
    )
    met = pd.Series(False, index=sittings.index)
    for sections, fewest in READY:
        if set(sections) <= set(sittings):
            met |= sittings[list(sections)].sum(axis=1, skipna=False) >= fewest
    return met[met].reset_index()[["school_year", "student_id"]].drop_duplicates()


def _seats(frames: Mapping[str, pd.DataFrame], students: pd.DataFrame) -> pd.DataFrame:
    """The population's enrollments in advanced courses, and what their marks say."""
    levels = frames["courses"][["school_year", "course_id", "course_level", "sced_code", "subject"]]
    seats = frames["course_enrollments"].merge(levels, on=["school_year", "course_id"])
    seats = seats[seats["course_level"].isin(ADVANCED)]
    seats = seats.merge(students[["school_year", "student_id"]], on=["school_year", "student_id"])
    mark = seats["final_grade"].astype("string").str.upper()
    points = pd.to_numeric(mark, errors="coerce")
    field = seats["sced_code"].str[:2].fillna(seats["subject"])
    return seats.assign(
        ap_ib=seats["course_level"].isin(["ap", "ib"]),
        stem=field.isin(STEM),
        dropped=seats["dropped"].eq("yes"),
        withdrawn=mark.isin(WITHDRAWN).fillna(False).astype(bool),
        graded=(mark.isin(LETTERS) | points.notna()).fillna(False).astype(bool),
        good=(mark.isin(C_OR_BETTER) | (points >= NUMERIC_C)).fillna(False).astype(bool),
        term_order=seats["term"].map(TERMS).fillna(0) if "term" in seats else 0,
    )


def _climate(
    frames: Mapping[str, pd.DataFrame], students: pd.DataFrame, per_student, among
) -> dict[str, object]:
    """Attendance, discipline and survey answers, for the tables that there are."""
    key = ["school_year", "student_id"]
    result: dict[str, object] = {}
    if "attendance" in frames:
        days = frames["attendance"].groupby(key)[["days_enrolled", "days_absent"]].sum()
        long_enough = days[days["days_enrolled"] >= 10]
        absent = long_enough[10 * long_enough["days_absent"] >= long_enough["days_enrolled"]]
        result["n|chronically_absent"] = among(long_enough.reset_index())
        result["s|chronically_absent"] = among(absent.reset_index())
    if "discipline" in frames:
        for metric, actions in ACTIONS.items():
            events = frames["discipline"]
            events = events[events["action"].isin(actions)].sort_values(
                ["incident_date", "incident_id", "school_id"]
            )
            where = events.drop_duplicates(key).set_index(key)["school_id"]
            where = where.reindex(pd.MultiIndex.from_frame(students[key])).set_axis(students.index)
            result |= {
                f"n|{metric}": 1,
                f"s|{metric}": where.notna(),
                f"school|{metric}": where.fillna(students["school_id"]),
            }
    if "survey_responses" in frames:
        items = frames["survey_items"].drop(columns="school_year", errors="ignore")
        answers = frames["survey_responses"].merge(items, on=["survey_id", "item_id"])
        answers = answers[answers["respondent_type"].eq("student") & answers["response"].notna()]
        answers = answers[answers["scale_min"].notna()]  # the metrics are about answers on a scale
        points = answers["response"].astype(float)
        points = points.where(
            answers["reverse"] != "yes", answers["scale_min"] + answers["scale_max"] - points
        )
        answers = answers.assign(favorable=[
            f"{value:.0f}" in favorable.split(";") for value, favorable in zip(points, answers["favorable"], strict=True)
        ])  # fmt: skip
        for construct, of in answers.groupby("construct"):
            given = of.groupby(key)["favorable"]
            result |= {
                f"n|{construct}_favorable": per_student(given.size()), f"s|{construct}_favorable": per_student(given.sum()),
            }  # fmt: skip
    return result


def _on_file(frames: Mapping[str, pd.DataFrame]) -> dict[str, set[int]]:
    """The school years in which the tables hold what a metric needs."""
    courses = frames["courses"]
    ap_ib = courses["course_level"].isin(["ap", "ib"])
    marks = frames["course_enrollments"]
    mark = marks["final_grade"].astype("string").str.upper()
    graded = (mark.isin(LETTERS) | pd.to_numeric(mark, errors="coerce").notna()).fillna(False).astype(bool)
    exams = frames["exam_results"]["exam_year"] if "exam_results" in frames else pd.Series(dtype=int)
    in_field = courses["sced_code"].notna() | courses["subject"].notna()
    years = {
        "ap_ib_courses": courses.loc[ap_ib, "school_year"],
        "advanced_courses": courses.loc[courses["course_level"].isin(ADVANCED), "school_year"],
        "ap_stem_courses": courses.loc[courses["course_level"].eq("ap") & in_field, "school_year"],
        "final_grades": marks.loc[graded, "school_year"],
        "exam_results": exams,
        "exam_history": exams[exams.sub(1).isin(exams)],
        **{name: frames[name]["school_year"] for name in ("attendance", "discipline") if name in frames},
    }
    if "readiness_scores" in frames:
        years["readiness_scores"] = {
            year + back for year in frames["readiness_scores"]["school_year"] for back in range(4)
        }
    years["earlier_years"] = years["ap_ib_courses"][years["ap_ib_courses"] > years["ap_ib_courses"].min()]
    if "survey_responses" in frames:
        items = frames["survey_items"].drop(columns="school_year", errors="ignore")
        answers = frames["survey_responses"].merge(items, on=["survey_id", "item_id"])
        answers = answers[answers["respondent_type"].eq("student") & answers["response"].notna()]
        years |= {f"survey_{construct}": of["school_year"] for construct, of in answers.groupby("construct")}
    return {token: set(found) for token, found in years.items()}


def _student_counts(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """CELL, n, successes and reason: every subgroup with a student in the population, for every metric."""
    students = population(frames)
    flags = outcomes(frames, students)
    place = ["school_year", "school_id", "grade_level", "dimension", "subgroup"]
    long = subgroups(students).join(students[["school_year", "school_id", "grade_level"]], on="student")
    parts = []
    for metric in METRICS:
        one = long.assign(metric_id=metric, n=0, successes=0)
        if f"n|{metric}" in flags:
            for name, sign in (("n", "n"), ("successes", "s")):
                one[name] = one["student"].map(flags[f"{sign}|{metric}"].astype(int))
        if f"school|{metric}" in flags:
            one["school_id"] = one["student"].map(flags[f"school|{metric}"])
        parts.append(one.groupby(["metric_id", *place], as_index=False)[["n", "successes"]].sum())
    base = pd.concat(parts)
    everywhere = [base, base.assign(school_id="_all"), base.assign(grade_level="_all")]
    everywhere.append(base.assign(school_id="_all", grade_level="_all"))
    counts = pd.concat(everywhere).groupby(["metric_id", *place], as_index=False)[["n", "successes"]].sum()
    # Crossings are for all grades together.
    counts = counts[~counts["dimension"].str.contains("*", regex=False) | counts["grade_level"].eq("_all")]
    # A place that one metric has, all have.
    every = counts[place].drop_duplicates().merge(pd.DataFrame({"metric_id": list(METRICS)}), how="cross")
    counts = every.merge(counts, on=["metric_id", *place], how="left").fillna({"n": 0, "successes": 0})
    on_file = _on_file(frames)
    missing = [
        next(
            (f"not_measured: {token}" for token in METRICS[metric] if year not in on_file.get(token, ())),
            None,
        )
        for metric, year in zip(counts["metric_id"], counts["school_year"], strict=True)
    ]
    counts["not_measured"] = pd.Series(missing, index=counts.index, dtype=object)
    counts.loc[counts["not_measured"].notna(), ["n", "successes"]] = np.nan
    return counts


def _aggregate_counts(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The delivered counts; what the district hides in one metric and shows in another is not measured there."""
    counts = frames["aggregate_counts"].dropna(subset=["n"])
    places = counts[["school_year", "school_id", "grade_level", "dimension", "subgroup"]].drop_duplicates()
    rows = places.merge(pd.DataFrame({"metric_id": list(METRICS)}), how="cross").merge(
        counts, on=CELL, how="left"
    )
    return rows.assign(not_measured=np.where(rows["n"].isna(), "not_measured: aggregate_counts", None))


# --- the arithmetic of gaps -----------------------------------------------------------------------------------------


def wilson(successes, n):
    """Wilson score interval of a rate; NaN where n is 0."""
    s, n = np.asarray(successes, float), np.asarray(n, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = s + Z**2 / 2
        spread = Z * np.sqrt(s * (n - s) / n + Z**2 / 4)
        return np.maximum((middle - spread) / (n + Z**2), 0) + 0 * s / n, np.minimum(
            (middle + spread) / (n + Z**2), 1
        ) + 0 * s / n


def newcombe(s1, n1, s2, n2):
    """Newcombe's hybrid score interval of s1/n1 - s2/n2."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p1, p2 = np.asarray(s1, float) / n1, np.asarray(s2, float) / n2
    (l1, u1), (l2, u2) = wilson(s1, n1), wilson(s2, n2)
    return p1 - p2 - np.hypot(p1 - l1, u2 - p2), p1 - p2 + np.hypot(u1 - p1, p2 - l2)


def compare(counts: pd.DataFrame) -> pd.DataFrame:
    """CELL, n, successes, not_measured → one row per reference with all gap statistics."""
    counts = counts.reset_index(drop=True)
    parts = counts["subgroup"].str.split("*")
    counts["known"] = [not {"unknown"}.intersection(names) for names in parts]
    counts["rate"] = counts["successes"] / counts["n"].where(counts["n"] > 0)
    references = _references(counts)
    rows = pd.concat(
        [counts.join(references[name]).assign(reference=name) for name in REFERENCES], ignore_index=True
    )
    for name in ("rest", "overall", "highest"):
        beside = references[name].reindex(np.tile(counts.index, len(REFERENCES)))
        rows[[f"{name}_n", f"{name}_s"]] = beside[["reference_n", "reference_successes"]].to_numpy(float)
    n, s, rate = (rows[name].astype(float) for name in ("n", "successes", "rate"))
    ref_n, ref_s = rows["reference_n"].astype(float), rows["reference_successes"].astype(float)

    def ratio(a, b):
        return a / b.where(b != 0)

    rows["reference_rate"] = reference_rate = ratio(ref_s, ref_n)
    rows["gap"] = rate - reference_rate
    sign = pd.Series(np.where(rows["metric_id"].isin(LOWER_IS_BETTER), -1, 1), index=rows.index)
    apart = (rows["reference"] != "overall") & (rows["subgroup"] != rows["reference_subgroup"]) & (
        (rows["dimension"] != OVERLAPPING) | (rows["reference"] == "rest")
    )  # fmt: skip
    low, high = newcombe(s, n, ref_s, ref_n)
    rows["gap_low"], rows["gap_high"] = np.where(apart, low, np.nan), np.where(apart, high, np.nan)
    overall = ratio(rows["overall_s"], rows["overall_n"])
    rows["representation_index"] = ratio(rate, overall)
    rows["rate_ratio"] = ratio(rate, reference_rate)
    rows["odds_ratio"] = ratio(s * (ref_n - ref_s), (n - s) * ref_s).where(ref_s < ref_n)
    r = rows["rate_ratio"]
    rows["parity_index_adjusted"] = r.where(r <= 1, 2 - 1 / r)
    rows["p_value"], rows["p_value_adjusted"] = _p_values(rows, n, s, ref_n, ref_s, apart)
    enough = (n >= 30) & (ref_n >= 30) & (s >= 10) & (ref_s >= 10)
    idea = rows["metric_id"].isin(ACTIONS) & rows["reference"].eq("rest")
    rows["risk_ratio"] = r.where(idea & enough)
    rows["cohens_h"] = 2 * np.arcsin(np.sqrt(rate)) - 2 * np.arcsin(np.sqrt(reference_rate))
    somebody = n > 0
    own = rate.where((s != 0) & (s != n), 0.5)
    at = n.where(somebody)
    rows["ppg2017_margin"] = np.maximum(1.96 * np.sqrt(0.25 / at), 0.03)
    rows["ppg2022_margin"] = np.maximum(1.96 * np.sqrt(own * (1 - own) / at), 0.02)
    rows["ppg2017_flag"] = _flag(sign * rate + rows["ppg2017_margin"], sign * overall)
    rows["ppg2022_flag"] = _flag(
        sign * (rate - ratio(rows["rest_s"], rows["rest_n"])), -rows["ppg2022_margin"]
    )
    # Where lower is better, the share that was spared is compared.
    spared = lambda good, of: good.where(sign == 1, of - good)
    best = spared(rows["highest_s"], rows["highest_n"]) * n
    rows["index80_flag"] = pd.array(100 * spared(s, n) * rows["highest_n"] < 80 * best, "boolean")
    rows.loc[~(best > 0), "index80_flag"] = pd.NA
    rows["students_needed"] = [_needed(*row) for row in zip(n, s, ref_n, ref_s, sign, strict=True)]
    rows["students_needed"] = rows["students_needed"].astype("Int64")
    rows["reliable"] = (n >= RELIABLE_N) & (ref_n >= RELIABLE_N)
    rows["reason"] = np.select(
        [rows["not_measured"].notna(), n == 0, reference_rate.isna(), ~rows["reliable"]],
        [rows["not_measured"], "no_students", "reference_not_available", "small"],
        default=None,
    )
    for name in ("n", "successes", "reference_n", "reference_successes"):
        rows[name] = rows[name].astype("Int64")
    columns = [
        *CELL, "reference", "n", "successes", "rate", "reference_subgroup", "reference_n", "reference_successes",
        "reference_rate", "gap", "gap_low", "gap_high", "representation_index", "rate_ratio", "odds_ratio", "cohens_h",
        "parity_index_adjusted", "p_value", "p_value_adjusted", "risk_ratio",
        "ppg2017_margin", "ppg2017_flag", "ppg2022_margin", "ppg2022_flag", "index80_flag", "students_needed", "reliable",
        "reason",
    ]  # fmt: skip
    return rows[columns].sort_values([*CELL, "reference"], ignore_index=True)


def _p_values(rows, n, s, ref_n, ref_s, apart) -> tuple[pd.Series, pd.Series]:
    """Pooled two-proportion z test, and Benjamini-Hochberg in the families of year × metric × reference, all grades."""
    pooled = (s + ref_s) / (n + ref_n).where((n > 0) & (ref_n > 0))
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n.where(n > 0) + 1 / ref_n.where(ref_n > 0)))
    z = (rows["gap"] / spread.where(spread > 0)).where(spread != 0, 0.0)
    raw = pd.Series([math.erfc(abs(v) / math.sqrt(2)) for v in z], index=rows.index).where(
        apart & pooled.notna()
    )
    adjusted = pd.Series(np.nan, index=rows.index)
    tested = rows[raw.notna() & rows["grade_level"].eq("_all")]
    for _, family in tested.groupby(["school_year", "metric_id", "reference"]):
        p = raw[family.index].sort_values(ascending=False)
        adjusted[p.index] = np.minimum(1, (p * len(p) / np.arange(len(p), 0, -1)).cummin())
    return raw, adjusted


def _references(counts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """For each reference the columns reference_subgroup, reference_n and reference_successes, index as `counts`."""
    group = [*PLACE, "dimension"]

    def beside(chosen: pd.DataFrame, on: list[str]) -> pd.DataFrame:
        found = counts[on].merge(chosen[[*on, "subgroup", "n", "successes"]], on=on, how="left")
        found = found.set_axis(counts.index)[["subgroup", "n", "successes"]]
        return found.set_axis(["reference_subgroup", "reference_n", "reference_successes"], axis=1)

    known = counts[counts["known"] & (counts["dimension"] != OVERLAPPING)]
    total = known.groupby(group, as_index=False)[["n", "successes"]].sum(min_count=1)
    rest = beside(total.assign(subgroup=None), group)
    for name in ("n", "successes"):
        rest[f"reference_{name}"] -= counts[name].where(counts["known"] | counts[name].isna(), 0)
    counts["merit"] = counts["rate"] * np.where(counts["metric_id"].isin(LOWER_IS_BETTER), -1, 1)
    best = counts[counts["known"] & (counts["n"] >= RELIABLE_N)].sort_values(
        ["merit", "subgroup"], ascending=[False, True]
    )
    wanted = counts["dimension"].map(DESIGNATED)
    return {
        "rest": rest,
        "overall": beside(counts[counts["dimension"] == "all_students"], PLACE),
        "highest": beside(best.drop_duplicates(group), group),
        "designated": beside(counts[counts["subgroup"] == wanted], group),
    }


def _flag(value: pd.Series, limit: pd.Series) -> pd.Series:
    """value <= limit, not known where either is not."""
    flag = pd.Series(pd.array(value <= limit, "boolean"), index=value.index)
    flag[value.isna() | limit.isna()] = pd.NA
    return flag


def _needed(n: float, s: float, ref_n: float, ref_s: float, sign: int) -> int | None:
    """Fewest more successes (where lower is better: fewer) with which the group reaches the reference's rate, held still."""
    if not n > 0 or not ref_n > 0:
        return None
    n, s, ref_n, ref_s = int(n), int(s), int(ref_n), int(ref_s)
    return max(0, -(sign * (s * ref_n - ref_s * n) // ref_n))


# --- from year to year ----------------------------------------------------------------------------------------------


def gap_closure(gaps: pd.DataFrame, partner_file: str) -> pd.DataFrame:
    """One row per school_year × SERIES: the gap against the year before, its state in words, goal and baseline.

    `gaps`: as `gap_metrics`. The sample changes neither race standard nor income basis: years are comparable
    wherever both have a gap.
    """
    partner = yaml.safe_load(partner_file)
    rows = gaps[gaps["grade_level"] == "_all"].reset_index(drop=True)
    itself = rows["subgroup"] == rows["reference_subgroup"]
    # How far the group is ahead: its gap, turned round where lower is better.
    sign = np.where(rows["metric_id"].isin(LOWER_IS_BETTER), -1, 1)
    ahead = sign * rows["gap"]
    ahead_low = rows["gap_low"].where(sign == 1, -rows["gap_high"])
    ahead_high = rows["gap_high"].where(sign == 1, -rows["gap_low"])
    high_enough = ahead_high.isna() | (ahead_high >= 0)
    rows["level"] = np.select(
        [
            rows["gap"].isna() | ~rows["reliable"] | itself,
            (ahead > CLOSED_WITHIN) & (ahead_low > 0),
            (ahead >= -CLOSED_WITHIN) & high_enough,
        ],
        ["not_measurable", "reversed", "closed"],
        default="open",
    )
    kept = ["gap", "gap_low", "gap_high", "reference_rate", "level"]
    prior = rows.assign(school_year=rows["school_year"] + 1, on_file=True)[
        ["school_year", *SERIES, *kept, "on_file"]
    ]
    rows = rows.merge(
        prior.rename(columns={name: f"prior_{name}" for name in kept}),
        on=["school_year", *SERIES],
        how="left",
    )
    rows["comparability_reason"] = np.select(
        [rows["on_file"].isna(), rows["prior_gap"].isna()],
        ["no_prior_year", "prior_gap_not_available"],
        default=None,
    )
    rows["comparable_to_prior_year"] = rows["comparability_reason"].isna()
    rows["gap_change"] = rows["gap"] - rows["prior_gap"]
    down = np.hypot(rows["gap"] - rows["gap_low"], rows["prior_gap_high"] - rows["prior_gap"])
    up = np.hypot(rows["gap_high"] - rows["gap"], rows["prior_gap"] - rows["prior_gap_low"])
    rows["gap_change_low"], rows["gap_change_high"] = rows["gap_change"] - down, rows["gap_change"] + up

    level, comparable = rows["level"], rows["comparable_to_prior_year"]
    was_closed = rows["prior_level"].isin(["closed", "reversed"])
    rows["status"] = np.select(
        [
            level.isin(["not_measurable", "reversed"]) | ~comparable,
            (level == "closed") & was_closed,
            level == "closed",
            was_closed,
            rows["gap_change_low"].where(sign == 1, -rows["gap_change_high"]) > 0,
            rows["gap_change_high"].where(sign == 1, -rows["gap_change_low"]) < 0,
        ],
        [level, "maintained_closed", "closed", "reopened", "narrowing", "widening"],
        default="open",
    )
    fall, gain = sign * (rows["prior_reference_rate"] - rows["reference_rate"]), sign * rows["gap_change"]
    rows["leveled_down"] = pd.array((gain > 0) & (fall > gain / 2), "boolean")
    rows.loc[rows["gap_change"].isna(), "leveled_down"] = pd.NA
    rows["seats_gap"] = rows["students_needed"]
    return _with_goals(rows, partner)


def _with_goals(rows: pd.DataFrame, partner: dict) -> pd.DataFrame:
    """Baseline (the year before the first programme year), pace since then, and the partner's next goal."""
    first = min(
        (_ending_year(program["school_year"]) for program in partner.get("programs", [])), default=None
    )
    baseline = rows[rows["school_year"] == (first - 1 if first else None)][[*SERIES, "school_year", "gap"]]
    baseline = baseline.rename(columns={"school_year": "baseline_school_year", "gap": "baseline_gap"})
    rows = rows.merge(baseline, on=SERIES, how="left")
    years = rows["school_year"] - rows["baseline_school_year"]
    since = (years > 0) & rows["baseline_gap"].notna()
    sign = np.where(rows["metric_id"].isin(LOWER_IS_BETTER), -1, 1)
    pace = sign * ((rows["gap"] - rows["baseline_gap"]) / years.where(since)).where(since, rows["gap_change"])
    rows["years_to_parity"] = (-sign * rows["gap"] / pace).where((sign * rows["gap"] < 0) & (pace > 0))
    rows["goal_gap"], goal_year = np.nan, pd.Series(np.nan, index=rows.index)
    for goal in sorted(partner.get("goals", []), key=lambda goal: goal["school_year"], reverse=True):
        due = _ending_year(goal["school_year"])
        named = {"school_id": "_all", "reference": "designated"} | {
            name: str(goal[name])
            for name in ("metric_id", "dimension", "subgroup", "school_id", "reference")
            if name in goal
        }
        aimed = (rows["school_year"] <= due) & np.logical_and.reduce(
            [rows[name] == value for name, value in named.items()]
        )
        rows.loc[aimed, "goal_gap"], goal_year[aimed] = float(goal["gap"]), due
    line = rows["baseline_gap"] + (rows["goal_gap"] - rows["baseline_gap"]) * years / (
        goal_year - rows["baseline_school_year"]
    )
    target = line.where(since, rows["goal_gap"])
    rows["on_track"] = pd.array(sign * rows["gap"] >= sign * target, "boolean")
    rows.loc[rows["gap"].isna() | target.isna(), "on_track"] = pd.NA
    rows["baseline_school_year"] = rows["baseline_school_year"].astype("Int64")
    columns = [
        "school_year", *SERIES, "gap", "prior_gap", "baseline_school_year", "baseline_gap", "gap_change", "gap_change_low",
        "gap_change_high", "status", "leveled_down", "seats_gap", "years_to_parity", "goal_gap", "on_track",
        "comparable_to_prior_year", "comparability_reason",
    ]  # fmt: skip
    return rows[columns].sort_values(["school_year", *SERIES], ignore_index=True)


def _ending_year(label: str) -> int:
    return int(label[:4]) + 1


# --- marts for one reader ---------------------------------------------------------------------------------------------

STEPS = ("offered", "enrolled", "completed", "c_or_better", "exam_taken", "exam_passed")


def course_funnel(tables: Mapping[str, pl.DataFrame]) -> pd.DataFrame:
    """school_year × school_id × dimension × subgroup × step: students of the group and those who took the step and all before
    it; then the cross-table of course grade and exam among students with a graded seat."""
    frames = {
        name: pd.DataFrame(of.to_dict(as_series=False))
        for name, of in tables.items()
        if name != "aggregate_counts"
    }
    students = population(frames)
    flags = outcomes(frames, students)
    reached = lambda metric: (
        flags[f"s|{metric}"].astype(bool) if f"s|{metric}" in flags else pd.Series(False, index=flags.index)
    )
    own = [reached(metric) for metric in (
        "courses_offered_access", "ap_ib_enrollment", "course_completed", "course_grade_c_or_better", "exam_taken", "exam_passed_of_takers",
    )]  # fmt: skip
    taken_so_far = pd.Series(True, index=students.index)
    steps = {}
    for name, step in zip(STEPS, own, strict=True):
        taken_so_far = taken_so_far & step
        steps[f"funnel_{name}"] = taken_so_far
    graded, good, taken, passed = flags["n|course_grade_c_or_better"].astype(bool), own[3], own[4], own[5]
    for grade, has_it in (("c_or_better", good), ("below_c", ~good)):
        for exam, so in (
            ("and_passed", passed),
            ("and_not_passed", taken & ~passed),
            ("and_no_exam", ~taken),
        ):
            steps[f"cross_{grade}_{exam}"] = graded & has_it & so
    place = ["school_year", "school_id", "dimension", "subgroup"]
    long = subgroups(students).join(students[["school_year", "school_id"]], on="student")
    long = pd.concat([long, long.assign(school_id="_all")])
    on_file = _on_file(frames)
    parts = []
    for step, took in steps.items():
        one = long.assign(step=step, students=1, reached=long["student"].map(took.astype(int)))
        one = one.groupby([*place, "step"], as_index=False)[["students", "reached"]].sum()
        needs = ["ap_ib_courses"] + ["final_grades"] * (
            "c_or_better" in step or "exam" in step or "cross" in step
        )
        needs += ["exam_results"] * ("exam" in step or "cross" in step)
        measured = one["school_year"].map(
            lambda year, needs=needs: all(year in on_file.get(token, ()) for token in needs)
        )
        parts.append(one.assign(reached=one["reached"].where(measured).astype("Int64")))
    return pd.concat(parts, ignore_index=True)


def clients(gaps: pd.DataFrame, closure: pd.DataFrame, partner_file: str, program: str) -> pd.DataFrame:
    """A programme's clients by year: each gap against the designated reference with last year's status and whose rate moved."""
    figures = _figures(gaps, closure)
    before = figures.assign(school_year=figures["school_year"] + 1)[
        ["school_year", *SERIES, "rate", "reference_rate", "status"]
    ]
    rows = figures.merge(before, on=["school_year", *SERIES], how="left", suffixes=("", "|before"))
    chosen = pd.Series(False, index=rows.index)
    for one in yaml.safe_load(partner_file).get("programs", []):
        if one["program"] == program:
            here = rows["school_id"].eq(str(one["school_id"])) if "school_id" in one else True
            chosen |= here & rows["school_year"].eq(_ending_year(one["school_year"]))
    own, other = rows["rate"] - rows["rate|before"], rows["reference_rate"] - rows["reference_rate|before"]
    whose = np.where(own.abs() >= other.abs(), "group", "reference")
    rose = np.where(np.where(own.abs() >= other.abs(), own, other) > 0, "_rose", "_fell")
    rows["what_changed"] = np.select(
        [rows["gap_change"].isna(), rows["gap_change"] == 0],
        [None, "nothing"],
        pd.Series(whose) + pd.Series(rose),
    )
    rows["prior_status"] = rows["status|before"]
    columns = [
        "school_year",
        *SERIES,
        "prior_status",
        "status",
        "prior_gap",
        "gap",
        "gap_change",
        "what_changed",
        "seats_gap",
    ]
    return rows.loc[chosen, columns].drop(columns="reference").reset_index(drop=True)


def sustainability(gaps: pd.DataFrame, closure: pd.DataFrame) -> pd.DataFrame:
    """Three years of each access gap, the share of closed gaps that stayed closed, and whether the pass rate held."""
    figures = _figures(gaps, closure)
    figures["closed"] = figures["status"].isin(["closed", "maintained_closed", "reversed"])
    key = ["school_year", "school_id", "dimension", "subgroup"]
    of = {metric: figures[figures["metric_id"] == metric][[*key, "rate", "gap", "status", "closed"]]
          for metric in ("ap_ib_enrollment", "exam_passed_of_takers")}  # fmt: skip
    rows = of["ap_ib_enrollment"]
    for name, back in (("prior", 1), ("earlier", 2)):
        then = of["ap_ib_enrollment"].assign(school_year=of["ap_ib_enrollment"]["school_year"] + back)
        rows = rows.merge(
            then.rename(columns={c: f"{name}_{c}" for c in then.columns.difference(key)}), on=key, how="left"
        )
    now, prior, earlier = (
        rows[c].fillna(False).astype(bool) for c in ("closed", "prior_closed", "earlier_closed")
    )
    rows["years_closed"] = now.astype(int) + (now & prior) + (now & prior & earlier)
    seen = prior & rows["status"].ne("not_measurable")
    totals = (
        rows.assign(kept=now & prior, seen=seen).groupby(["school_year", "school_id"])[["kept", "seen"]].sum()
    )
    share = (
        (totals["kept"] / totals["seen"].where(totals["seen"] > 0)).rename("maintained_share").reset_index()
    )
    rows = rows.merge(share, on=["school_year", "school_id"])
    passed = of["exam_passed_of_takers"][[*key, "rate"]].rename(columns={"rate": "pass_rate"})
    last = passed.assign(school_year=passed["school_year"] + 1).rename(
        columns={"pass_rate": "prior_pass_rate"}
    )
    rows = rows.merge(passed, on=key, how="left").merge(last, on=key, how="left")
    rows = rows.rename(
        columns={
            "rate": "access_rate",
            "gap": "access_gap",
            "prior_gap": "prior_access_gap",
            "earlier_gap": "earlier_access_gap",
        }
    )
    return rows[[*key, "access_rate", "access_gap", "prior_access_gap", "earlier_access_gap", "status", "prior_status",
                 "earlier_status", "years_closed", "maintained_share", "pass_rate", "prior_pass_rate"]]  # fmt: skip


def _figures(gaps: pd.DataFrame, closure: pd.DataFrame) -> pd.DataFrame:
    """Gap and closure against the designated reference of groups that have one and are not it."""
    both = gaps[(gaps["grade_level"] == "_all") & (gaps["reference"] == "designated")].merge(
        closure[["school_year", *SERIES, *closure.columns.difference(gaps.columns)]],
        on=["school_year", *SERIES],
    )
    named = both["dimension"].map(DESIGNATED)
    known = ~both["subgroup"].str.split("*").map(lambda names: "unknown" in names)
    return both[named.notna() & (both["subgroup"] != named) & known].reset_index(drop=True)
