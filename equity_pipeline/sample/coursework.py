"""Courses that students take, the grades they get and the exams they sit.

Which students take AP or IB is the story of a district, so it is not left to chance: in each year and group exactly the
planted share of the population is chosen; who it is follows ability, income and luck.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from equity_pipeline.sample import population
from equity_pipeline.sample.catalogue import HOMEROOM, SUBJECTS, Course
from equity_pipeline.sample.profiles import YEARS, Profile

LETTERS = np.array(["F", "D-", "D", "D+", "C-", "C", "C+", "B-", "B", "B+", "A-", "A", "A+"])
# Standard-normal cuts between the letters: about a fifth of an average class is below C.
_CUTS = np.array([-1.75, -1.6, -1.4, -1.2, -0.95, -0.7, -0.4, -0.1, 0.3, 0.65, 1.0, 1.9])
_NO_MARK = 0.012  # passed without a letter, or still incomplete: not a grade that can be compared
_SELF_STUDY = 0.004  # sits an AP exam without an AP course
_LIFT = {"white": 0.15, "asian": 0.35, "black": -0.25, "hispanic": -0.18}


def advanced_students(
    roster: pl.DataFrame, on_file: pl.DataFrame, profile: Profile, rng: np.random.Generator
) -> np.ndarray:
    """Mask over the roster: who has at least one AP or IB course that is not dropped.

    In the population (grades 9-12 on the snapshot date) exactly round(rate × n) of each group; outside it, by chance.
    """
    position = YEARS.index(int(roster["school_year"][0]))
    n = roster.height
    high = roster["grade"].to_numpy() >= 9
    counted = high & roster["student_id"].is_in(on_file["student_id"].implode()).to_numpy()
    group = roster["group"].to_numpy()
    pull = np.where(
        roster["economically_disadvantaged"].eq_missing("yes").to_numpy(), profile.income_pull[position], 0.0
    )
    pull += np.where(roster["disability_idea"].eq_missing("yes").to_numpy(), -1.2, 0.0)
    pull += np.where(roster["english_learner"].eq_missing("current").to_numpy(), -1.0, 0.0)
    pull += np.where(roster["sex"].eq("female").to_numpy(), 0.25, 0.0) + 0.35 * (
        roster["grade"].to_numpy() - 9
    )
    # Largest log weight plus Gumbel noise: a weighted draw without replacement.
    score = pull + 0.8 * roster["ability"].to_numpy() + rng.gumbel(size=n)
    chosen: np.ndarray = ~counted & high & (rng.random(n) < 0.12)
    for name in profile.mix:
        rows = np.flatnonzero(counted & (group == name))
        gap = 0.0 if name == "white" else profile.gap[name][position]
        seats = round((profile.reference[position] + gap) * len(rows))
        chosen[rows[np.argsort(-score[rows], kind="stable")[:seats]]] = True
    return chosen


def course_enrollments(
    roster: pl.DataFrame,
    stints: pl.DataFrame,
    courses: tuple[Course, ...],
    profile: Profile,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """One row per student × school × course × section × term × entry: the canonical columns."""
    advanced = advanced_students(roster, population.on_snapshot(stints), profile, rng)
    rows = pl.concat(
        [_schedule(roster, advanced, courses, profile, rng), _dropped_courses(roster, courses, profile, rng)]
    )
    of_student = roster.select("student_id", "group", "ability").with_row_index("row")
    rows = rows.join(of_student.with_columns(pl.col("row").cast(pl.Int64)), on="row", maintain_order="left")
    rows = rows.filter(pl.col("student_id").is_in(stints["student_id"].implode()))
    rows = rows.with_columns(
        final_grade=pl.Series(_final_grades(rows, courses, profile, rng), dtype=pl.String)
    )
    rows = _at_schools(rows, stints, courses, profile, rng)
    rows = rows.select(
        pl.lit(int(roster["school_year"][0])).alias("school_year"), "student_id", "school_id", "course_id", "section_id",
        "term", "entry_date", "exit_date", "final_grade", "dropped",
    )  # fmt: skip
    return pl.concat([rows, _homerooms(stints)], how="diagonal") if profile.homeroom else rows


def exam_results(
    enrollments: pl.DataFrame, roster: pl.DataFrame, courses: tuple[Course, ...], rng: np.random.Generator
) -> pl.DataFrame:
    """One row per student × exam of the year: exam_year, student_id, program, exam_code, exam_name, score.

    About three of four students with a course sit its exam; a few sit one without a course.
    """
    exams = {course.course_id: (course.level, *course.exam) for course in courses if course.exam}
    taken = (
        enrollments.filter(pl.col("course_id").is_in(list(exams)), dropped="no")
        .select("school_year", "student_id", "course_id")
        .unique(maintain_order=True)
        .join(
            roster.select("student_id", "group", "ability", "effort"), on="student_id", maintain_order="left"
        )
    )
    n = taken.height
    sits = (taken["effort"].to_numpy() > 0.17) & (rng.random(n) < 0.80)
    taken = taken.filter(sits)
    alone = roster.filter(
        (pl.col("grade") >= 10) & ~pl.col("student_id").is_in(taken["student_id"].implode()) & pl.Series(rng.random(roster.height) < _SELF_STUDY)
    ).select("school_year", "student_id", pl.lit("4502").alias("course_id"), "group", "ability", "effort")  # fmt: skip
    taken = pl.concat([taken, alone])
    lift = taken["group"].replace_strict(_LIFT, default=0.0, return_dtype=pl.Float64).to_numpy()
    luck = 0.75 * taken["ability"].to_numpy() + lift + 0.75 * rng.normal(size=taken.height)
    ap = 1 + np.searchsorted([-0.2, 0.7, 1.35, 2.0], luck)
    ib = 2 + np.searchsorted([-0.7, 0.4, 1.2, 1.8, 2.4], luck)
    program = np.array([exams[course][0] for course in taken["course_id"]], dtype=str)
    return pl.DataFrame(
        {
            "exam_year": taken["school_year"],
            "student_id": taken["student_id"],
            "program": program,
            "exam_code": [exams[course][1] for course in taken["course_id"]],
            "exam_name": [exams[course][2] for course in taken["course_id"]],
            "score": np.where(program == "ap", ap, ib),
        },
        schema_overrides=dict.fromkeys(("program", "exam_code", "exam_name"), pl.String),
    ).sort("student_id", "program", "exam_code")


def _schedule(
    roster: pl.DataFrame,
    advanced: np.ndarray,
    courses: tuple[Course, ...],
    profile: Profile,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Five courses a student, one per subject: for those chosen one to four of them are AP or IB."""
    n = roster.height
    grade = roster["grade"].to_numpy()
    international = (
        roster["home"].is_in([school.school_id for school in profile.schools if school.ib]).to_numpy()
    )
    diploma = advanced & international & (grade >= 11) & (rng.random(n) < 0.6)
    depth = np.minimum(1 + rng.poisson(np.clip(0.9 + 0.5 * roster["ability"].to_numpy(), 0.1, None)), 4)
    order = rng.random((n, len(SUBJECTS))).argsort(axis=1).argsort(axis=1)
    deep = advanced[:, None] & (order < depth[:, None])
    luck = rng.random((n, len(SUBJECTS)))
    picked = np.zeros((n, len(SUBJECTS)), int)
    for column, subject in enumerate(SUBJECTS):
        for year in population.GRADE_WEIGHTS:
            for mask, levels in (
                (~deep[:, column], {"general", "honors"}),
                (deep[:, column] & ~diploma, {"ap"}),
                (deep[:, column] & diploma, {"ib"}),
            ):
                options = _offered(courses, subject, year, levels)
                rows = np.flatnonzero(mask & (grade == year))
                if len(rows):
                    picked[rows, column] = options[(luck[rows, column] * len(options)).astype(int)]
    return _rows(np.repeat(np.arange(n), len(SUBJECTS)), picked.ravel(), "no")


def _dropped_courses(
    roster: pl.DataFrame, courses: tuple[Course, ...], profile: Profile, rng: np.random.Generator
) -> pl.DataFrame:
    """A few students in grades 9 and 10 began AP Psychology and dropped it: they never count as enrolled in it."""
    young = roster["grade"].is_in([9, 10]).to_numpy()
    rows = np.flatnonzero(young & (rng.random(roster.height) < (0.03 if profile.marks_dropped else 0)))
    extra = next(index for index, course in enumerate(courses) if course.title == "AP Psychology")
    return _rows(rows, np.full(len(rows), extra), "yes")


def _homerooms(stints: pl.DataFrame) -> pl.DataFrame:
    return stints.select(
        "school_year", "student_id", "school_id", pl.lit(HOMEROOM.course_id).alias("course_id"),
        pl.format("{}-{}", "school_id", pl.lit(HOMEROOM.course_id)).alias("section_id"), pl.lit("FY").alias("term"),
        "entry_date", "exit_date",
    )  # fmt: skip


def _rows(row: np.ndarray, course: np.ndarray, dropped: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"row": row.astype(np.int64), "course": course.astype(np.int64), "dropped": [dropped] * len(row)}
    )


def _offered(courses: tuple[Course, ...], subject: str, grade: int, levels: set[str]) -> np.ndarray:
    return np.array(
        [
            index
            for index, course in enumerate(courses)
            if course.subject == subject and grade in course.grades and course.level in levels
        ],
        int,
    )


def _final_grades(
    rows: pl.DataFrame, courses: tuple[Course, ...], profile: Profile, rng: np.random.Generator
) -> list[str | None]:
    """A letter or a number of 100 for every course; `P` or `I` here and there; none for a dropped course."""
    lift = rows["group"].replace_strict(_LIFT, default=0.0, return_dtype=pl.Float64).to_numpy()
    hard = np.array([course.level in ("ap", "ib") for course in courses])[rows["course"].to_numpy()]
    level = 0.55 * rows["ability"].to_numpy() + lift - 0.75 * hard + 0.85 * rng.normal(size=rows.height)
    if profile.final_grades == "letter":
        grade = LETTERS[np.searchsorted(_CUTS, level)].astype(object)
    else:
        grade = np.clip(np.round(79 + 11 * level), 40, 100).astype(int).astype(str).astype(object)
    draw = rng.random(rows.height)
    grade[draw < _NO_MARK] = "P"
    grade[draw < _NO_MARK / 3] = "I"
    grade[(rows["dropped"] == "yes").to_numpy()] = None
    return list(grade)


def _at_schools(
    rows: pl.DataFrame,
    stints: pl.DataFrame,
    courses: tuple[Course, ...],
    profile: Profile,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Give each course a school, a section and dates: those of the student's enrollments.

    Who changed school has the course at both, the grade at the last; of two schools at once the first entry teaches.
    A few AP courses are taught at another school than the student's.
    """
    first = pl.int_range(pl.len()).over("student_id") == 0
    stays = stints.sort("student_id", "entry_date", "school_id").filter(
        first | pl.col("exit_date").first().over("student_id").is_not_null()
    )
    of_course = pl.DataFrame(
        {
            "course": np.arange(len(courses)),
            "course_id": [course.course_id for course in courses],
            "term": [course.term for course in courses],
            "advanced": [course.level in ("ap", "ib") for course in courses],
        }
    )
    rows = rows.join(stays.drop("school_year"), on="student_id", maintain_order="left")
    rows = rows.join(of_course, on="course", maintain_order="left")
    school: np.ndarray = rows["school_id"].to_numpy().astype(str)
    away = rows["advanced"].to_numpy() & (
        rng.random(rows.height) < (0.02 if profile.courses_elsewhere else 0.0)
    )
    away &= np.isin(school, [school.school_id for school in profile.schools if 9 in school.grades])
    school[away] = population.another_school(school[away], profile, rng)
    section = (1 + rows["row"].to_numpy() // 28 % 9).astype(str)
    return rows.with_columns(
        school_id=pl.Series(school),
        section_id=np.char.add(np.char.add(np.char.add(school, "-"), rows["course_id"].to_numpy().astype(str)), np.char.add("-", section)),
        final_grade=pl.when(pl.col("exit_date").is_null()).then("final_grade"),
    )  # fmt: skip
