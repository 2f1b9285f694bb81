"""What the sample districts send for their programmes, with planted truth.

Harborview is in Equity Communities of Practice (cycles of inquiry, counts of its state), Cedar Valley in the Opportunity
Accelerator (class ratings, experience samples, goals, commitments, a cycle about a resource), Riverside in the Equity
Implemented Partnership (a needs survey, a plan, two initiatives), in an Equity Leader Lab, and asks its students what stands
in their way to AP; it states the disability status on the day of each incident. All of it is made after the districts' other tables, from dice of its own.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import polars as pl

Tables = dict[str, pl.DataFrame]

# Mentored students miss this share of the days they would have missed.
MENTORED_ABSENCE = 0.55
MENTORED_SHARE = 0.22  # of low-income students of grades 10 and 11, in each of two cohorts
COHORTS = (2024, 2025)

# Chance that a class meets the bar, by resource: general classes, then AP and honors classes.
CLASS_QUALITY = {
    "assignments": (0.30, 0.75), "instruction": (0.22, 0.60), "engagement": (0.35, 0.65), "expectations": (0.45, 0.85),
}  # fmt: skip
RATED_CLASSES = 24  # a school, year and window
_INSTRUMENTS = {
    # Ratings of classes that meet the bar and of those that do not.
    "assignments": ("assignment_review_protocol", 2, (2, 2, 2, 1), (1, 0, 2, 1)),
    "instruction": ("instructional_practice_guide", 4, (4, 3), (2, 2)),
    "expectations": ("teacher_expectations_survey", 6, (5,), (3,)),
}

# Favorable share of answers, by construct and respondent: what students, staff and families see differently.
PERCEPTIONS = {
    "school_safety": {"student": 0.52, "staff": 0.78, "family": 0.70},
    "fair_discipline": {"student": 0.41, "staff": 0.74, "family": 0.63},
    "culturally_responsive_teaching": {"student": 0.48, "staff": 0.66, "family": 0.60},
    "family_partnership": {"student": 0.60, "staff": 0.64, "family": 0.57},
}
# Favorable share of answers to the climate survey of Harborview, by construct with its items: Black students, and all others.
CLIMATE = {"school_connectedness": (5, 0.41, 0.60), "caring_adults": (3, 0.55, 0.62)}
INVITED = {
    "staff": 90,
    "family": 400,
}  # a school; answers come from two of three staff and one of four families

# What students name as standing in the way of AP and IB, and whether they have an adult to ask: share in no such course, and in one.
VOICES = {
    "barrier_nobody_told_me_about_it": (0.52, 0.18), "barrier_not_sure_i_am_ready": (0.41, 0.33),
    "barrier_no_time_beside_work_or_family": (0.30, 0.24), "barrier_no_course_fits_my_schedule": (0.17, 0.12),
    "trusted_adult": (0.58, 0.79),
}  # fmt: skip
ASKED_OF = 0.5  # of the high school students
# Students of one in so many incidents became eligible under IDEA in the course of the year: the roster does not say it.
FOUND_ELIGIBLE = 12
# Rates of the state of Harborview, by metric: students with a disability, and without.
STATE_RATES = {
    "chronically_absent": (0.31, 0.21), "referred": (0.16, 0.08), "suspended_any": (0.11, 0.05), "suspended_iss": (0.06, 0.03),
    "suspended_oss": (0.07, 0.03), "expelled": (0.004, 0.001),
}  # fmt: skip
STATE_STUDENTS = (170_000, 780_000)


def with_programmes(partner_id: str, tables: Tables, seed: int) -> Tables:
    """The district's tables with those of its programmes added, where it is in one."""
    made: dict[str, Callable[[Tables, np.random.Generator], Tables]] = {
        "harborview_ps": _communities_of_practice,
        "cedar_valley_isd": _opportunity_accelerator,
        "riverside_usd": _implemented_partnership,
    }
    if partner_id not in made:
        return tables
    return tables | made[partner_id](
        tables, np.random.default_rng([seed, zlib.crc32(partner_id.encode()), 7])
    )


_ANSWERS = (
    "school_year survey_id respondent_type respondent_id student_id school_id item_id response submitted_at"
)


def _rows(columns: str, *rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=columns.split(), orient="row", infer_schema_length=None)


def _day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


# --- Equity Communities of Practice ---------------------------------------------------------------------------------


def _communities_of_practice(tables: Tables, rng: np.random.Generator) -> Tables:
    return {
        "state_counts": _rows(
            "school_year metric_id dimension subgroup n successes",
            *((year, metric, "disability_idea", subgroup, n, round(n * rate))
              for year in (2025, 2026) for metric, rates in STATE_RATES.items()
              for subgroup, n, rate in zip(("yes", "no"), STATE_STUDENTS, rates, strict=True)),
        ),
        "cycles_of_inquiry": _rows(
            "cycle_id focus_area question aim metric_id dimension subgroup school_id target_rate started_on due_on action study "
            "decision decided_on",
            ("C1", "discipline", "Why are Black students suspended more often than their classmates?",
             "Fewer suspensions of Black students by the end of 2024-25", "suspended_any", "race_ethnicity", "black", "_all",
             0.10, _day("2024-09-16"), _day("2025-06-30"), "Restorative conference before any suspension for disruption",
             "Conferences were held for most referrals; suspensions moved little where they were not", "adapt",
             _day("2025-07-02")),
            ("C2", "discipline", "Do conferences work when every referral gets one?",
             "Conference after each referral, suspensions of Black students at 8 percent", "suspended_any", "race_ethnicity",
             "black", "_all", 0.08, _day("2025-09-08"), _day("2026-06-30"), "Conference within two days of every referral",
             None, None, None),
            ("C3", "academics", "Who is told about AP courses, and by whom?",
             "AP or IB enrollment of Hispanic students at 30 percent", "ap_ib_enrollment", "race_ethnicity", "hispanic",
             "_all", 0.30, _day("2023-10-02"), _day("2024-06-14"), "Counselors meet every tenth grader",
             "Meetings reached nearly all tenth graders; enrollment stayed where it was", "abandon", _day("2024-06-28")),
        ),
        "survey_items": pl.concat(
            _items("connectedness", construct, number, 5, "4;5", "chks") for construct, (number, *_) in CLIMATE.items()
        ),
        "survey_responses": _climate_answers(tables, rng),
    }  # fmt: skip


def _climate_answers(tables: Tables, rng: np.random.Generator) -> pl.DataFrame:
    """Answers of two of three high school students, spring 2026."""
    asked = _of_high_schools(tables)
    asked = asked.filter(pl.Series(rng.random(asked.height) < 0.66))
    black = set(
        tables["students"].filter(school_year=2026, hispanic_latino="no", races="BlackOrAfricanAmerican")["student_id"]
    )  # fmt: skip
    rows = []
    for student, school in asked.select("student_id", "school_id").rows():
        mood = rng.normal()
        for construct, (items, of_black, of_others) in CLIMATE.items():
            points = _points(mood, of_black if student in black else of_others, items, 5, rng)
            rows += [
                (2026, "connectedness", "student", student, student, school, f"{construct}_{number}", str(point), "2026-03-03")
                for number, point in enumerate(points, 1)
            ]  # fmt: skip
    return _rows(_ANSWERS, *rows)


# --- Opportunity Accelerator ----------------------------------------------------------------------------------------


def _opportunity_accelerator(tables: Tables, rng: np.random.Generator) -> Tables:
    advanced = set(
        tables["courses"].filter(pl.col("course_level").is_in(["ap", "honors"]))["course_id"].to_list()
    )
    ratings, samples = [], []
    for year in (2025, 2026):
        seats = tables["course_enrollments"].filter(school_year=year, dropped="no")
        for (school,), of_school in sorted(seats.partition_by("school_id", as_dict=True).items()):
            classes = (
                of_school.group_by("section_id", "course_id")
                .len()
                .filter(pl.col("len") >= 8)
                .sort("section_id")
            )
            if len(classes) < 5:
                continue
            chosen = classes[np.sort(rng.permutation(len(classes))[:RATED_CLASSES])]
            for section, course, _ in chosen.rows():
                for window, day in (("fall", dt.date(year - 1, 10, 14)), ("spring", dt.date(year, 3, 10))):
                    for resource, chances in CLASS_QUALITY.items():
                        good = rng.random() < chances[course in advanced]
                        if resource == "engagement":
                            students = (
                                of_school.filter(section_id=section)["student_id"].unique().sort().to_list()
                            )
                            if window == "spring":
                                samples += _moments(year, school, section, students, good, rng)
                            continue
                        instrument, highest, met, unmet = _INSTRUMENTS[resource]
                        ratings += [
                            (year, school, section, resource, window, instrument, float(rating), float(highest),
                             day + dt.timedelta(days=number))
                            for number, rating in enumerate(met if good else unmet)
                        ]  # fmt: skip
    return {
        "cycles_of_inquiry": _rows(
            "cycle_id focus_area question aim metric_id dimension subgroup school_id target_rate started_on due_on action study "
            "decision decided_on",
            ("A1", "academics", "Does coaching of ninth-grade teachers reach students of color?",
             "Strong instruction in four of ten seats of students of color", "strong_instruction", "student_of_color", "yes", "_all",
             0.40, _day("2025-08-18"), _day("2026-06-12"), "A coach observes each ninth-grade class twice a term", None, None, None),
        ),
        "class_ratings": _rows(
            "school_year school_id section_id resource window instrument rating rating_max observed_on", *ratings
        ),
        "experience_samples": _rows(
            "school_year school_id section_id student_id moment_id window instrument rating rating_max", *samples
        ),
        "scorecard_goals": _rows(
            "resource school_id dimension subgroup goal_rate due_on",
            *((resource, "_all", dimension, subgroup, goal, _day("2027-06-30"))
              for resource, goal in (("assignments", 0.50), ("instruction", 0.40), ("engagement", 0.50), ("expectations", 0.60))
              for dimension, subgroup in (("all_students", "all"), ("student_of_color", "yes"))),
        ),
        "commitments": _rows(
            "commitment_id kind statement made_on due_on owner_role status",
            ("S1", "equity_statement", "Every student in Cedar Valley works on grade-level assignments, every day, in every class.",
             _day("2024-08-20"), None, "Board of Trustees", None),
            ("K1", "commitment", "Review assignments in every core department twice a year", _day("2024-09-03"),
             _day("2025-06-01"), "Chief academic officer", "kept"),
            ("K2", "commitment", "Schedule the strongest teachers into ninth-grade general classes", _day("2025-01-21"),
             _day("2026-08-15"), "High school principals", "in_progress"),
        ),
    }  # fmt: skip


def _moments(
    year: int, school: str, section: str, students: list[str], good: bool, rng: np.random.Generator
) -> list[tuple[object, ...]]:
    """Two moments of a lesson for each student: engaged (3 or 4 of 4) more often in an engaging class."""
    engaged = rng.random((len(students), 2)) < (0.75 if good else 0.30)
    return [
        (year, school, section, student, f"m{moment + 1}", "spring", "experience_sampling", 3.0 + moment if yes else 2.0 - moment, 4.0)
        for student, of_student in zip(students, engaged.tolist(), strict=True)
        for moment, yes in enumerate(of_student)
    ]  # fmt: skip


# --- Equity Implemented Partnership ---------------------------------------------------------------------------------


def _implemented_partnership(tables: Tables, rng: np.random.Generator) -> Tables:
    members = _mentored(tables["students"], rng)
    made = {
        "attendance": _less_absent(tables["attendance"], members),
        "survey_items": pl.concat([tables["survey_items"].with_columns(instrument=pl.lit(None, pl.String)), pl.concat(_items("needs", construct, 3, 6, "5;6", "perts", reversed_item=3) for construct in PERCEPTIONS)], how="vertical_relaxed"),
        "survey_responses": pl.concat([tables["survey_responses"], _needs_answers(tables, rng)], how="vertical_relaxed"),
        "survey_invitations": _rows(
            "school_year survey_id respondent_type school_id invited",
            *((2026, "needs", kind, school, n) for kind, n in INVITED.items() for school in _high_schools(tables)),
        ),
        "initiatives": _rows(
            "initiative_id name focus_area strategy_id school_id start_date end_date evidence_tier metric_id",
            ("MENTOR", "Attendance mentoring", "engagement", "mentoring", None, _day("2023-08-11"), None, "2", "chronically_absent"),
            ("CIRCLES", "Restorative circles", "discipline", "restorative_practice", None, _day("2024-08-11"), None, "3",
             "suspended_any"),
        ),
        "initiative_members": pl.concat([
            members.select(pl.lit("MENTOR").alias("initiative_id"), "student_id",
                           school_id=pl.lit(None, pl.String), start_date=pl.date(pl.col("cohort") - 1, 8, 20)),
            pl.DataFrame({"initiative_id": ["CIRCLES"] * 2, "student_id": pl.Series([None, None], dtype=pl.String),
                          "school_id": ["0101", "0103"], "start_date": [dt.date(2023, 8, 20), dt.date(2024, 8, 20)]}),
        ]),
        **_plan(),
        "leader_lab_policies": _rows(
            "team_id school_id policy adopted_on metric_id dimension subgroup",
            ("LAB-1", "0101", "Every tenth grader meets a counselor about AP before course requests", _day("2023-12-01"),
             "ap_ib_enrollment", "race_ethnicity", "black"),
            ("LAB-1", "0101", "Every student in an AP course is registered for its exam, at the school's cost", _day("2024-08-19"),
             "exam_taken", "economically_disadvantaged", "yes"),
            ("LAB-2", "0102", "No grade threshold for any AP course", _day("2022-08-22"), "ap_ib_enrollment", "race_ethnicity",
             "hispanic"),
            ("LAB-3", "0103", "Families are called in their language before course requests", _day("2024-01-15"),
             "ap_ib_enrollment", "economically_disadvantaged", "yes"),
        ),
    }  # fmt: skip
    items, answers = _voices(tables, rng)
    return made | {
        "discipline": _with_status(tables["discipline"], tables["students"], rng),
        "survey_items": pl.concat([made["survey_items"], items], how="vertical_relaxed"),
        "survey_responses": pl.concat([made["survey_responses"], answers], how="vertical_relaxed"),
    }


def _with_status(discipline: pl.DataFrame, students: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The disability status on the day of each incident; a year's student with a disability has it on every day of it."""
    key = ["school_year", "student_id"]
    of_year = discipline.join(
        students.select(*key, "disability_idea", "section_504"), on=key, how="left", maintain_order="left"
    )
    newly = pl.Series(rng.integers(0, FOUND_ELIGIBLE, discipline.height) == 0)
    return discipline.with_columns(
        disability_status=of_year.select(
            pl.when((pl.col("disability_idea") == "yes") | newly).then(pl.lit("idea"))
            .when(pl.col("section_504") == "yes").then(pl.lit("section_504"))
            .otherwise(pl.lit("none"))
        ).to_series()
    )  # fmt: skip


def _voices(tables: Tables, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Codebook and answers of the survey `voice`, spring 2026: yes or no, by whether a student is in an AP course."""
    advanced = tables["courses"].filter(school_year=2026, course_level="ap")["course_id"].unique()
    inside = set(
        tables["course_enrollments"].filter(
            pl.col("course_id").is_in(advanced.implode()), school_year=2026, dropped="no"
        )["student_id"]
    )
    asked = _of_high_schools(tables)
    asked = asked.filter(pl.Series(rng.random(asked.height) < ASKED_OF))
    rows = []
    for student, school in asked.select("student_id", "school_id").rows():
        for construct, shares in VOICES.items():
            said = "yes" if rng.random() < shares[student in inside] else "no"
            rows.append(
                (2026, "voice", "student", student, student, school, f"{construct}_1", said, "2026-03-17")
            )
    items = pl.DataFrame(
        [
            {"survey_id": "voice", "item_id": f"{construct}_1", "construct": construct,
             "text": construct.removeprefix("barrier_").replace("_", " ").capitalize(), "scale_min": None, "scale_max": None,
             "favorable": "yes" if construct == "trusted_adult" else "no", "reverse": "no", "instrument": None}
            for construct in VOICES
        ],
        schema_overrides={"scale_min": pl.Int64, "scale_max": pl.Int64, "instrument": pl.String},
    )  # fmt: skip
    return items, _rows(_ANSWERS, *rows)


def _of_high_schools(tables: Tables) -> pl.DataFrame:
    """The students who are at a high school to the end of 2025-26."""
    return tables["school_enrollments"].filter(
        (pl.col("school_year") == 2026) & pl.col("school_id").is_in(_high_schools(tables)) & pl.col("exit_date").is_null()
    ).unique("student_id", keep="first", maintain_order=True).sort("student_id")  # fmt: skip


def _high_schools(tables: Tables) -> list[str]:
    return tables["schools"].filter(pl.col("grade_high") == "12")["school_id"].sort().to_list()


def _mentored(students: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """student_id and cohort (the first mentored school year): low-income students of grades 10 and 11, by lot."""
    chosen: list[pl.DataFrame] = []
    for cohort in COHORTS:
        eligible = students.filter(
            (pl.col("school_year") == cohort) & pl.col("grade_level").is_in(["10", "11"])
            & (pl.col("economically_disadvantaged") == "yes")
        ).sort("student_id")  # fmt: skip
        for earlier in chosen:
            eligible = eligible.filter(~pl.col("student_id").is_in(earlier["student_id"].implode()))
        drawn = eligible.filter(pl.Series(rng.random(eligible.height) < MENTORED_SHARE))
        chosen.append(drawn.select("student_id", cohort=pl.lit(cohort)))
    return pl.concat(chosen)


def _less_absent(attendance: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    days = pl.col("days_absent")
    fewer = (days * MENTORED_ABSENCE).floor().cast(attendance.schema["days_absent"])
    return (
        attendance.join(members, on="student_id", how="left", maintain_order="left")
        .with_columns(
            days_absent=pl.when(pl.col("school_year") >= pl.col("cohort")).then(fewer).otherwise(days)
        )
        .drop("cohort")
    )


def _items(
    survey: str,
    construct: str,
    number: int,
    scale_max: int,
    favorable: str,
    instrument: str,
    reversed_item: int = 0,
) -> pl.DataFrame:
    """The codebook of a construct: so many items from 1 to `scale_max`, one of them worded against it where it is named."""
    return pl.DataFrame(
        [
            {"survey_id": survey, "item_id": f"{construct}_{item}", "construct": construct,
             "text": f"{construct.replace('_', ' ').capitalize()}, question {item}", "scale_min": 1, "scale_max": scale_max,
             "favorable": favorable, "reverse": "yes" if item == reversed_item else "no", "instrument": instrument}
            for item in range(1, number + 1)
        ]
    )  # fmt: skip


def _points(mood: float, favorable: float, items: int, scale_max: int, rng: np.random.Generator) -> list[int]:
    """One person's answers to the items of a scale, of which this share is in the upper two options."""
    levels = 0.8 * mood + 0.6 * rng.normal(size=items)
    points = np.floor((levels - _normal_cut(1 - favorable)) / 0.6) + scale_max - 1
    return [int(point) for point in np.clip(points, 1, scale_max)]


def _needs_answers(tables: Tables, rng: np.random.Generator) -> pl.DataFrame:
    """Answers of one in seven high school students, two of three staff and one of four families, spring 2026."""
    schools = _high_schools(tables)
    there = _of_high_schools(tables)
    asked = there.filter(pl.Series(rng.random(there.height) < 0.15))
    people = [("student", s, s, school) for s, school in asked.select("student_id", "school_id").rows()]
    for kind, share in (("staff", 0.66), ("family", 0.25)):
        people += [
            (kind, f"{kind}-{school}-{number:03d}", None, school)
            for school in schools
            for number in np.flatnonzero(rng.random(INVITED[kind]) < share)
        ]
    rows = []
    for kind, respondent, student, school in people:
        mood = rng.normal()  # answers of one person agree: what makes a scale reliable
        for construct, favorable in PERCEPTIONS.items():
            cut = _normal_cut(1 - favorable[kind])
            for number in (1, 2, 3):
                if rng.random() < 0.04:
                    continue
                level = 0.8 * mood + 0.6 * rng.normal()
                point = int(np.clip(np.floor((level - cut) / 0.6) + 5, 1, 6))
                rows.append((2026, "needs", kind, respondent, student, school, f"{construct}_{number}",
                             str(7 - point if number == 3 else point), "2026-02-10"))  # fmt: skip
    return _rows(_ANSWERS, *rows)


def _normal_cut(below: float) -> float:
    """The point of a standard normal that this share lies below."""
    return NormalDist().inv_cdf(below)


def _plan() -> Tables:
    return {
        "problems_of_practice": _rows(
            "problem_id statement focus_area construct metric_id dimension subgroup",
            ("P1", "Students do not find discipline fair", "discipline", "fair_discipline", None, None, None),
            ("P2", "Black students are suspended more often than their classmates", "discipline", None, "suspended_any",
             "race_ethnicity", "black"),
            ("P3", "Low-income students miss more school", "engagement", None, "chronically_absent", "economically_disadvantaged",
             "yes"),
            ("P4", "Teaching does not yet draw on the cultures of our students", "school_culture",
             "culturally_responsive_teaching", None, None, None),
        ),
        "strategies": _rows(
            "strategy_id strategy_name focus_area evidence_tier evidence_source",
            ("mentoring", "Check and Connect style attendance mentoring", "engagement", "2", "What Works Clearinghouse, dropout prevention (2015)"),
            ("restorative_practice", "Restorative practices", "discipline", "3", "RAND, Pittsburgh randomized study (2018)"),
            ("culturally_responsive", "Culturally responsive teaching cycle", "school_culture", "4", "logic model of the task force (2025)"),
            ("early_warning", "Early warning indicators with a response team", "engagement", "3", "IES Practice Guide NCEE 2017-4028"),
            ("open_enrollment", "Open enrollment in AP with summer preparation", "academics", "4", "logic model of the task force (2025)"),
        ),
        "recommendations": _rows(
            "plan_id recommendation_id statement problem_id strategy_id status",
            ("PLAN", "R1", "Mentor every student who missed a tenth of last year", "P3", "mentoring", "accepted"),
            ("PLAN", "R2", "Hold restorative circles at every high school", "P2", "restorative_practice", "accepted"),
            ("PLAN", "R3", "Pay teachers for a year of culturally responsive practice", "P4", "culturally_responsive", "proposed"),
        ),
        "task_force_feedback": _rows(
            "plan_id recommendation_id stakeholder_group support comment_theme",
            *(("PLAN", recommendation, group, support, theme)
              for recommendation, by_group in FEEDBACK.items()
              for group, (supports, theme) in by_group.items()
              for support in supports),
        ),
        "action_steps": _rows(
            "plan_id step_id focus_area owner_role due_date status recommendation decided_by decided_on",
            ("PLAN", "A1", "engagement", "Director of student services", _day("2025-10-01"), "done", "R1", "Board", _day("2025-06-10")),
            ("PLAN", "A2", "engagement", "Mentoring lead", _day("2026-01-15"), "in_progress", "R1", "Board", _day("2025-06-10")),
            ("PLAN", "A3", "discipline", "High school principals", _day("2026-12-01"), "planned", "R2", "Board", _day("2025-06-10")),
        ),
    }  # fmt: skip


# Recommendation → stakeholder group → answers from 1 to 5, and the theme of the comments.
FEEDBACK = {
    "R1": {"students": ([5] * 9 + [4] * 5, "someone who notices"), "families": ([5] * 8 + [4] * 4, "calls home"),
           "staff": ([4] * 9 + [3] * 4, "time")},
    "R2": {"students": ([4] * 8 + [5] * 4, "being heard"), "families": ([3] * 7 + [4] * 5, "safety"),
           "staff": ([3] * 8 + [2] * 4, "training")},
    "R3": {"students": ([5] * 12, "seeing ourselves"), "families": ([4] * 11, "respect"), "staff": ([4] * 6 + [2] * 5, "time"),
           "leaders": ([3] * 4, "cost")},
}  # fmt: skip
