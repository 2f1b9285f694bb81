"""The sample is the same every time, and its truth is computed by rules that known vectors confirm."""

from __future__ import annotations

import csv
import datetime as dt
import fnmatch
import hashlib
import io
import json
import zipfile
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from equity_pipeline import sample
from equity_pipeline.partners import registry
from equity_pipeline.sample.profiles import YEARS
from equity_pipeline.sample.writers import college_board_ap
from equity_pipeline.storage.home import Home
from tests.end_to_end.truth import recompute

SIZES = {"riverside_usd": 15_000, "lakeview_sd": 6_000, "cedar_valley_isd": 8_000, "harborview_ps": 4_000}


@lru_cache
def districts() -> dict[str, sample.SampleDistrict]:
    return {district.partner_id: district for district in sample.generate()}


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("landing")
    for partner_id, district in districts().items():
        district.deliver(root / partner_id)
    return root


def _hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# --- the same every time --------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        sample.write(Home(tmp_path / name), seed=seed, scale=0.03)
    one, again, other = (_hashes(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert one.keys() == other.keys()
    assert (
        one["landing/riverside_usd/students_2021-22.csv"]
        != other["landing/riverside_usd/students_2021-22.csv"]
    )


def test_writing_again_leaves_the_files_alone_and_mends_a_changed_one(tmp_path):
    home = Home(tmp_path)
    assert sample.write(home, scale=0.03) == [*SIZES, "prairie_rose_sd"]
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}
    damaged = home.landing("cedar_valley_isd") / "Schools.csv"
    content = damaged.read_bytes()
    damaged.write_bytes(b"School_Number\r\n")
    sample.write(home, scale=0.03)
    assert damaged.read_bytes() == content
    after = {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in before if before[path] != after[path]} == {damaged}


# --- what is delivered ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partner_id", SIZES)
def test_sizes(partner_id):
    students = districts()[partner_id].tables["students"]
    assert students.group_by("school_year").len().sort("school_year").rows() == [
        (y, SIZES[partner_id]) for y in YEARS
    ]
    assert students.select("school_year", "student_id").is_unique().all()


def test_students_persist_and_move_up():
    students = (
        districts()["riverside_usd"].tables["students"].select("school_year", "student_id", "grade_level")
    )
    later = students.with_columns(school_year=pl.col("school_year") - 1)
    both = students.join(later, on=["school_year", "student_id"], suffix="_later")
    step = both["grade_level_later"].cast(int) - both["grade_level"].cast(int)
    assert both.height > 0.65 * 15_000 * 4
    assert set(step) == {0, 1}
    assert (step == 1).mean() > 0.95


def test_every_file_is_claimed_by_exactly_one_source(landing, tmp_path):
    for partner_id, district in districts().items():
        path = tmp_path / f"{partner_id}.yml"
        path.write_text(district.partner_file)
        sources = registry.load(path).sources
        for file in (landing / partner_id).iterdir():
            claims = [
                s.name for s in sources if any(fnmatch.fnmatchcase(file.name, pattern) for pattern in s.files)
            ]
            assert len(claims) == 1, file.name


def test_planted_rows_of_the_canonical_files(landing):
    planted = districts()["riverside_usd"].planted
    rejected, duplicates = Counter(), Counter()
    for extract in ("students", "school_enrollments", "course_enrollments"):
        for year in YEARS:
            path = landing / "riverside_usd" / f"{extract}_{year - 1}-{year % 100}.csv"
            header, *rows = _csv(path)
            duplicates[extract] += len(rows) - len({tuple(row) for row in rows})
            at = {name: position for position, name in enumerate(header)}
            if extract == "students":
                rejected[extract] += sum(
                    row[at["grade_level"]] not in {"07", "08", "09", "10", "11", "12"} for row in rows
                )
            if extract == "school_enrollments":
                rejected[extract] += sum("" < row[at["exit_date"]] < row[at["entry_date"]] for row in rows)
    for extract in ("students", "school_enrollments", "course_enrollments"):
        assert planted[extract] == {"rejected": rejected[extract], "duplicates": duplicates[extract]}
        assert duplicates[extract] > 0


@pytest.mark.parametrize("partner_id", ["riverside_usd", "lakeview_sd", "cedar_valley_isd"])
def test_ap_datafiles_hold_the_true_results_and_the_planted_repeats(landing, partner_id):
    seen, rejected, subscores, ungraded = Counter(), 0, 0, 0
    for year in YEARS:
        header, *rows = _csv(landing / partner_id / f"AP_{(year - 1) % 100}{year % 100}.csv")
        assert len(header) == 244
        assert header.count("Filler") == 3
        student = header.index("Student Identifier")
        slots = [header.index(f"Admin Year {slot:02d}") for slot in range(1, college_board_ap.SLOTS + 1)]
        for row in rows:
            for admin_year, exam, score in (row[at : at + 3] for at in slots if row[at]):
                if exam == "69":
                    subscores += 1
                elif score == "":
                    ungraded += 1
                elif score not in "12345":
                    rejected += 1
                else:
                    seen[(2000 + int(admin_year), row[student], exam, int(score))] += 1
    district = districts()[partner_id]
    true = (
        district.tables["exam_results"]
        .filter(program="ap")
        .select("exam_year", "student_id", "exam_code", "score")
    )
    assert seen.keys() == set(true.rows())
    assert district.planted["exam_results"] == {
        "rejected": rejected,
        "duplicates": sum(seen.values()) - len(seen),
    }
    assert subscores > 0
    assert ungraded == college_board_ap.NO_GRADE * len(YEARS)


def test_a_roster_lists_students_at_no_school_as_planted(landing):
    at_district = 0
    for path in sorted((landing / "lakeview_sd").glob("roster_*.zip")):
        with zipfile.ZipFile(path) as archive:
            text = archive.read("users.csv").decode()
        at_district += sum(row["orgSourcedIds"] == "LV-DISTRICT" for row in csv.DictReader(io.StringIO(text)))
    assert districts()["lakeview_sd"].planted["school_enrollments"] == {
        "rejected": at_district,
        "duplicates": 0,
    }
    assert at_district > 0


def test_an_ods_has_students_at_no_school_as_planted(landing):
    nowhere = 0
    for path in sorted((landing / "harborview_ps").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            students, stints = (
                {
                    json.loads(line).get("studentReference", json.loads(line))["studentUniqueId"]
                    for line in archive.read(f"{resource}.jsonl").decode().splitlines()
                }
                for resource in ("students", "studentSchoolAssociations")
            )
        nowhere += len(students - stints)
    assert districts()["harborview_ps"].planted == {"students": {"rejected": nowhere, "duplicates": 0}}
    assert nowhere > 0


def test_small_counts_are_stars_and_stay_unknown_in_the_truth(landing):
    rows = [row for path in (landing / "prairie_rose_sd").glob("equity*.csv") for row in _csv(path)[1:]]
    stars = [row for row in rows if "*" in row]
    counts = districts()["prairie_rose_sd"].tables["aggregate_counts"]
    assert len(rows) == counts.height
    assert 0 < len(stars) == counts["n"].null_count() == counts["successes"].null_count()
    assert all(row[1] != "District" and row[5] == row[6] == "*" for row in stars)


# --- the traps are there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partner_id", SIZES)
def test_the_snapshot_date_has_its_hard_cases(partner_id):
    stints = districts()[partner_id].tables["school_enrollments"].filter(school_year=2025)
    day = dt.date(2024, 10, 1)
    before, after = day - dt.timedelta(days=1), day + dt.timedelta(days=1)
    for column, date in (
        ("exit_date", before),
        ("exit_date", day),
        ("entry_date", day),
        ("entry_date", after),
    ):
        assert stints.filter(pl.col(column) == date).height >= 4
    there = stints.filter((pl.col("entry_date") <= day) & (pl.col("exit_date").fill_null(dt.date.max) >= day))
    twice = there.filter(pl.len().over("student_id") > 1)
    assert twice["student_id"].n_unique() >= 20
    assert "no" in set(twice["is_primary"])


def test_ib_exams_middle_years_courses_and_a_partner_without_sced():
    lakeview, cedar = districts()["lakeview_sd"].tables, districts()["cedar_valley_isd"].tables
    assert set(lakeview["exam_results"]["program"]) == {"ap", "ib"}
    middle_years = lakeview["courses"].filter(pl.col("course_title").str.contains("Middle Years"))
    assert set(middle_years["course_level"]) == {"general"}
    assert (
        lakeview["course_enrollments"]
        .filter(pl.col("course_id").is_in(middle_years["course_id"].implode()))
        .height
        > 100
    )
    assert cedar["courses"]["sced_code"].null_count() == cedar["courses"].height
    assert {"ap", "honors", "general"} == set(cedar["courses"]["course_level"])


# --- the truth is computed rightly ----------------------------------------------------------------------------------


def _worked_example() -> pd.DataFrame:
    """Reference of the domain, 4.4: six groups, 600 of 1,818."""
    groups = {
        "asian": (80, 100), "black": (45, 300), "hispanic": (90, 450), "white": (360, 900), "two_or_more": (24, 60),
        "american_indian_or_alaska_native": (1, 8),
    }  # fmt: skip
    place = {"school_year": 2026, "school_id": "_all", "grade_level": "_all", "metric_id": "ap_ib_enrollment"}
    rows = [
        place | {"dimension": "race_ethnicity", "subgroup": g, "n": n, "successes": s}
        for g, (s, n) in groups.items()
    ]
    rows.append(place | {"dimension": "all_students", "subgroup": "all", "n": 1818, "successes": 600})
    return recompute.compare(pd.DataFrame(rows).assign(not_measured=None)).set_index(
        ["subgroup", "reference"]
    )


@pytest.mark.parametrize(
    ("group", "overall", "rest", "white", "index", "of_best", "ratio", "needed", "margin", "margin_2017", "flagged"),
    [
        ("asian", 0.4700, 0.4973, 0.4000, 2.424, 1.000, 2.643, (0, 0, 0, 0), 0.0784, 0.0980, False),
        ("black", -0.1800, -0.2156, -0.2500, 0.455, 0.188, 0.410, (55, 65, 75, 195), 0.0404, 0.0566, True),
        ("hispanic", -0.1300, -0.1728, -0.2000, 0.606, 0.250, 0.536, (59, 78, 90, 270), 0.0370, 0.0462, True),
        ("white", 0.0700, 0.1386, 0.0, 1.212, 0.500, 1.530, (0, 0, 0, 360), 0.0320, 0.0327, False),
        ("two_or_more", 0.0700, 0.0724, 0.0, 1.212, 0.500, 1.221, (0, 0, 0, 24), 0.1240, 0.1265, False),
        ("american_indian_or_alaska_native", -0.2050, -0.2059, -0.2750, 0.379, 0.156, 0.378, (2, 2, 3, 6), 0.2292, 0.3465,
         False),
    ],
)  # fmt: skip
def test_the_worked_example(
    group, overall, rest, white, index, of_best, ratio, needed, margin, margin_2017, flagged
):
    rows = _worked_example().loc[group]
    near = {"abs": 6e-5}
    assert rows.loc["overall", "gap"] == pytest.approx(overall, **near)
    assert rows.loc["rest", "gap"] == pytest.approx(rest, **near)
    assert rows.loc["designated", "gap"] == pytest.approx(white, **near)
    assert rows.loc["rest", "representation_index"] == pytest.approx(index, abs=6e-4)
    assert rows.loc["highest", "reference_subgroup"] == "asian"
    assert rows.loc["highest", "rate_ratio"] == pytest.approx(of_best, abs=6e-4)
    assert rows.loc["rest", "index80_flag"] == (of_best < 0.8)
    assert rows.loc["rest", "rate_ratio"] == pytest.approx(ratio, abs=6e-4)
    assert tuple(rows.loc[list(recompute.REFERENCES), "students_needed"]) == (
        needed[1],
        needed[0],
        needed[3],
        needed[2],
    )
    assert rows.loc["rest", "ppg2022_margin"] == pytest.approx(margin, **near)
    assert rows.loc["rest", "ppg2017_margin"] == pytest.approx(margin_2017, **near)
    assert rows.loc["rest", "ppg2022_flag"] == flagged
    assert rows.loc["rest", "ppg2017_flag"] == flagged
    assert rows.loc["rest", "reliable"] == (group != "american_indian_or_alaska_native")
    assert rows.loc["overall", ["gap_low", "gap_high"]].isna().all()


@pytest.mark.parametrize(
    ("one", "other", "low", "high", "h"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339, 0.4421),
        ((9, 10), (3, 10), 0.1705, 0.8090, 1.3388),
        ((10, 10), (0, 20), 0.6791, 1.0, 3.1416),
        ((45, 300), (360, 900), -0.2984, -0.1952, -0.5740),
        ((90, 450), (360, 900), -0.2472, -0.1495, -0.4421),
        ((3, 12), (90, 200), -0.3753, 0.0902, -0.4234),
        ((0, 15), (40, 100), -0.4980, -0.1769, -1.3694),
        ((1, 8), (360, 900), -0.3826, 0.0723, -0.6467),
    ],
)
def test_newcombe_intervals_and_cohens_h(one, other, low, high, h):
    place = {
        "school_year": 2026,
        "school_id": "_all",
        "grade_level": "_all",
        "metric_id": "exam_taken",
        "dimension": "sex",
    }
    rows = [
        place | {"subgroup": g, "n": n, "successes": s} for g, (s, n) in (("female", one), ("male", other))
    ]
    found = recompute.compare(pd.DataFrame(rows).assign(not_measured=None)).set_index(
        ["subgroup", "reference"]
    )
    row = found.loc[("female", "designated")]
    assert (row["gap_low"], row["gap_high"]) == pytest.approx((low, high), abs=6e-5)
    assert row["cohens_h"] == pytest.approx(h, abs=6e-5)


def test_who_counts_and_at_which_school():
    day, start = dt.date(2025, 10, 1), dt.date(2025, 8, 20)
    one_day = dt.timedelta(days=1)
    stints = [
        ("left_the_day_before", "A", start, day - one_day, "yes"),
        ("left_on_the_day", "A", start, day, "yes"),
        ("came_on_the_day", "B", day, None, "yes"),
        ("came_the_day_after", "B", day + one_day, None, "yes"),
        ("two_schools", "A", start, None, "no"),
        ("two_schools", "B", start + one_day, None, "yes"),
        ("two_unmarked", "B", start, None, None),
        ("two_unmarked", "A", start + one_day, None, None),
        ("two_the_same_day", "B", start, None, None),
        ("two_the_same_day", "A", start, None, None),
        ("in_grade_8", "A", start, None, "yes"),
    ]
    names = ["student_id", "school_id", "entry_date", "exit_date", "is_primary"]
    enrollments = pd.DataFrame(stints, columns=names).assign(school_year=2026)
    students = pd.DataFrame(
        {"student_id": sorted({stint[0] for stint in stints} | {"nowhere"}), "school_year": 2026}
    )
    students["grade_level"] = [
        "08" if student == "in_grade_8" else "11" for student in students["student_id"]
    ]
    counted = recompute.population({"students": students, "school_enrollments": enrollments})
    assert dict(zip(counted["student_id"], counted["school_id"], strict=True)) == {
        "left_on_the_day": "A", "came_on_the_day": "B", "two_schools": "B", "two_unmarked": "B", "two_the_same_day": "A",
    }  # fmt: skip


def test_subgroups_of_a_student():
    students = pd.DataFrame(
        {
            "hispanic_latino": ["yes", "no", "no", "unknown", "no"],
            "races": ["White", "Asian;White", "DemographicRaceTwoOrMoreRaces", None, "Asian"],
            "economically_disadvantaged": ["no", "no", "yes", "no", None],
            "english_learner": ["current", "former", "never", "unknown", None],
            "sex": ["female", "male", "nonbinary", None, "male"],
        }
        | dict.fromkeys(
            ("disability_idea", "section_504", "homeless", "foster_care", "first_generation"), "no"
        )
    )
    found = (
        recompute.subgroups(students)
        .groupby(["student", "dimension"])["subgroup"]
        .agg(lambda s: ",".join(sorted(s)))
    )
    assert found.xs("race_ethnicity", level="dimension").tolist() == [
        "hispanic",
        "two_or_more",
        "two_or_more",
        "unknown",
        "asian",
    ]
    assert found.xs("race_alone_or_in_combination", level="dimension").tolist() == [
        "hispanic,white", "asian,white", "unknown", "unknown", "asian",
    ]  # fmt: skip
    assert found.xs("student_of_color", level="dimension").tolist() == ["yes", "yes", "yes", "unknown", "yes"]
    assert found.xs("underrepresented", level="dimension").tolist() == [
        "yes",
        "no",
        "yes",
        "unknown",
        "unknown",
    ]
    assert found.xs("english_learner", level="dimension").tolist() == [
        "yes",
        "no",
        "no",
        "unknown",
        "unknown",
    ]
    assert found.xs("english_learner_ever", level="dimension").tolist() == [
        "yes",
        "yes",
        "no",
        "unknown",
        "unknown",
    ]
    assert found.xs("race_ethnicity*sex", level="dimension").iloc[3] == "unknown*unknown"


def test_which_course_grade_and_exam_count():
    students = pd.DataFrame(
        {"school_year": 2026, "student_id": list("abcdefg"), "school_id": "1", "grade_level": "11"}
    )
    courses = pd.DataFrame(
        {"school_year": 2026, "course_id": ["AP", "IB", "X"], "course_level": ["ap", "ib", "honors"],
         "sced_code": None, "subject": "science"}
    )  # fmt: skip
    seats = [
        ("a", "AP", "C-", "no"), ("a", "AP", "D", "no"), ("b", "AP", "70", "no"), ("c", "AP", "A", "yes"),
        ("d", "X", "A", "no"), ("e", "AP", "P", None), ("f", "IB", "C", "no"), ("g", "AP", "69", "no"),
    ]  # fmt: skip
    taken = pd.DataFrame(seats, columns=["student_id", "course_id", "final_grade", "dropped"]).assign(
        school_year=2026, school_id="1"
    )
    results = [
        ("a", "ap", 2),
        ("b", "ap", 3),
        ("c", "ap", 5),
        ("d", "ap", 5),
        ("e", "ib", 7),
        ("f", "ib", 3),
        ("g", "ap", 4),
    ]
    exams = pd.DataFrame(results, columns=["student_id", "program", "score"]).assign(exam_year=2026)
    frames = {"courses": courses, "course_enrollments": taken, "exam_results": exams}
    found = recompute.outcomes(frames, students)

    def who(flag: str) -> str:
        return "".join(students.loc[found[flag] == 1, "student_id"])

    assert who("s|ap_ib_enrollment") == "abefg"
    assert who("n|course_grade_c_or_better") == "abfg"
    assert who("s|course_grade_c_or_better") == "bf"
    assert who("s|exam_taken") == "abfg"
    assert who("s|exam_passed_of_takers") == "bg"


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [
        (200, 205, "open"),
        (150, 250, "narrowing"),
        (250, 150, "widening"),
        (200, 295, "closed"),
        (298, 300, "maintained_closed"),
        (400, 290, "maintained_closed"),
        (400, 200, "reopened"),
        (300, 279, "reopened"),
        (200, 400, "reversed"),
    ],
)
def test_the_status_ladder(before, now, status):
    rows = [
        {"school_year": year, "subgroup": group, "n": 1000, "successes": successes}
        for year, hits in ((2025, before), (2026, now))
        for group, successes in (("black", hits), ("white", 300))
    ]
    place = {
        "school_id": "_all",
        "grade_level": "_all",
        "metric_id": "exam_taken",
        "dimension": "race_ethnicity",
    }
    gaps = recompute.compare(pd.DataFrame(rows).assign(**place, not_measured=None))
    closure = recompute.gap_closure(gaps, "programs: []").set_index(["school_year", "subgroup", "reference"])
    row = closure.loc[(2026, "black", "designated")]
    assert row["status"] == status
    assert row["gap_change"] == pytest.approx((now - before) / 1000)
    assert closure.loc[(2025, "black", "designated"), "comparability_reason"] == "no_prior_year"
    assert closure.loc[(2026, "white", "designated"), "status"] == "not_measurable"


@pytest.mark.parametrize(("successes", "flagged"), [(63, True), (64, False), (79, False)])
def test_the_80_percent_index_flags_below_four_fifths_of_the_best_rate(successes, flagged):
    place = {"school_year": 2026, "school_id": "_all", "grade_level": "_all", "metric_id": "exam_taken"}
    rows = [
        place | {"dimension": "sex", "subgroup": "female", "n": 100, "successes": successes},
        place | {"dimension": "sex", "subgroup": "male", "n": 100, "successes": 80},
    ]
    found = recompute.compare(pd.DataFrame(rows).assign(not_measured=None))
    assert set(found.loc[found["subgroup"] == "female", "index80_flag"]) == {flagged}


@pytest.mark.parametrize("seed", [1, 7])
def test_districts_of_a_few_students_can_be_delivered(seed, tmp_path):
    """Where chance gives nobody an incident, the table is empty."""
    assert len(sample.write(Home(tmp_path), seed=seed, scale=0.01)) == 5
