"""Building all marts by dbt against a hand-written DuckDB script that makes the same `gap_metrics` from the same Parquet.

    python benchmarks/marts.py [--student-years 5000000] [--schools 100] [--halves]

Deliveries are generated straight into the extract layout (five school years, eight course enrollments a student-year). Each
of the two runs is a process of its own; printed are wall and CPU seconds, peak memory, their ratio, and whether both made the
same numbers. The script tests nothing: what the tests of a build take is told apart, and the ratio given with and without them.
`--halves` runs half the size as well. The script counts and finds the references in its own way and takes only
the last step, the arithmetic of a gap, from the project, so that both make every column alike.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import build, models, project

YEARS = range(2022, 2027)
PARTNER = Partner.model_validate(
    {"partner_id": "bench", "name": "Bench", "state": "CA", "timezone": "America/Los_Angeles", "first_school_year": "2021-22",
     "sources": [{"name": "sis", "format": "canonical", "files": ["*"]}]}
)  # fmt: skip

# A deterministic draw in [0, modulus) for a student and a purpose. Hashed twice: the last bits of one hash of two values are
# those of the first, and a student's school would tell her income.
DRAW = (
    "create or replace macro draw(i, purpose, modulus) as cast(hash(hash(i, purpose)) % modulus as integer)"
)

EXTRACTS = {
    "schools": "select 'S' || i as school_id, 'School ' || i as school_name, null as nces_school_id, '09' as grade_low, "
    "'12' as grade_high from range({schools}) as t(i)",
    "students": """select 'u' || i as student_id, ['09', '10', '11', '12'][1 + draw(i, {year}, 4)] as grade_level,
        ['female', 'male'][1 + draw(i, 'sex', 2)] as sex, ['yes', 'no', 'no', 'no'][1 + draw(i, 'hispanic', 4)] as hispanic_latino,
        ['White', 'White', 'White', 'BlackOrAfricanAmerican', 'Asian', 'White;Asian', 'AmericanIndianOrAlaskaNative', '']
          [1 + draw(i, 'race', 8)] as races, '1997' as race_standard,
        ['yes', 'no', 'no', 'unknown'][1 + draw(i, 'income', 4)] as economically_disadvantaged, 'frl_form' as econ_basis,
        ['current', 'former', 'never', 'never', 'never', 'never'][1 + draw(i, 'el', 6)] as english_learner,
        ['yes', 'no', 'no', 'no', 'no', 'no', 'no'][1 + draw(i, 'idea', 7)] as disability_idea,
        case when draw(i, '504', 20) = 0 then 'yes' else 'no' end as section_504,
        case when draw(i, 'homeless', 50) = 0 then 'yes' else 'no' end as homeless,
        case when draw(i, 'foster', 100) = 0 then 'yes' else 'no' end as foster_care,
        ['yes', 'no', 'unknown'][1 + draw(i, 'first', 3)] as first_generation from range({students}) as t(i)""",
    "school_enrollments": """select 'u' || i as student_id, 'S' || draw(i, 'school', {schools}) as school_id,
        make_date({year} - 1, 8, 20) as entry_date, cast(null as date) as exit_date, 'yes' as is_primary
        from range({students}) as t(i)""",
    "courses": """select cast(null as varchar) as school_id, 'c' || i as course_id, 'Course ' || i as course_title,
        case when i < 20 then ['03056', '03106', '02124', '04104', '01005'][1 + i % 5] end as sced_code,
        case when i between 20 and 24 then 'ib' when i < 50 then 'honors' else 'general' end as course_level,
        'science' as subject from range(250) as t(i)""",
    "course_enrollments": """select 'u' || i as student_id, 'S' || draw(i, 'school', {schools}) as school_id,
        'c' || draw(i, {year} * 100 + seat, 250) as course_id, 'FY' as term, make_date({year} - 1, 8, 20) as entry_date,
        ['A', 'B', 'C', 'C-', 'D', 'F'][1 + draw(i, {year} * 1000 + seat, 6)] as final_grade,
        case when draw(i, {year} * 10000 + seat, 20) = 0 then 'yes' else 'no' end as dropped
        from range({students}) as t(i), range(8) as s(seat)""",
    "exam_results": """select {year} as exam_year, 'u' || i as student_id, 'ap' as program, 'x' as exam_code,
        1 + draw(i, {year} * 7, 5) as score from range({students}) as t(i) where draw(i, {year} * 3, 4) = 0""",
    "attendance": """select 'u' || i as student_id, 'S' || draw(i, 'school', {schools}) as school_id, 180 as days_enrolled,
        draw(i, {year} * 11, 40) as days_absent from range({students}) as t(i)""",
    "discipline": """select 'u' || i as student_id, 'S' || draw(i, 'school', {schools}) as school_id, 'i' || i as incident_id,
        make_date({year}, 2, 1) as incident_date, ['referral', 'iss', 'oss', 'expulsion'][1 + draw(i, 'action', 4)] as action
        from range({students}) as t(i) where draw(i, {year} * 13, 12) = 0""",
}  # fmt: skip

# Population and flags in one pass each; students collapsed twice, to who answers alike in what is crossed and in all the rest;
# every metric a pair of sums; references found once a dimension. Nothing is written to the file but what is asked for.
SCRIPT = """
create temp table class_of as
select c.school_year, c.course_id, coalesce(c.sced_code, c.course_id) as offering, k.exam_program as program, k.advanced = 'yes' as advanced,
  substr(c.sced_code, 1, 2) in ('02', '03', '10', '21') or (c.sced_code is null and c.subject in ('science', 'mathematics')) as stem
from {courses} c
left join {sced_ap_ib} s using (sced_code)
left join {course_levels} l on l.course_level = lower(c.course_level)
join {course_classes} k on k.course_class = coalesce(s.course_class, l.course_class, 'other')
where k.advanced = 'yes';

create temp table student as
with place as (
  select school_year, student_id, substr(min(concat(case when is_primary = 'yes' then '0' else '1' end, entry_date, school_id)), 12) as school_id
  from {school_enrollments}
  where entry_date <= make_date(school_year - 1, 10, 1) and (exit_date is null or exit_date >= make_date(school_year - 1, 10, 1))
  group by all
)
select r.school_year, r.student_id, p.school_id, r.grade_level, hash(hispanic_latino, races, economically_disadvantaged, sex) as cell_1,
  hash(1, english_learner, disability_idea, section_504, homeless, foster_care, first_generation) as cell_2
from {students} r join place p using (school_year, student_id) where grade_level in ('09', '10', '11', '12');

create temp table fact as
with seat as materialized (
  select e.school_year, e.student_id, e.school_id, c.offering, c.program, c.stem, e.dropped = 'yes' as dropped,
    e.dropped <> 'yes' and e.final_grade in ('A', 'B', 'C', 'C-', 'D', 'F') as graded, e.dropped <> 'yes' and e.final_grade in ('A', 'B', 'C') as good,
    e.course_id
  from {course_enrollments} e
  join class_of c using (school_year, course_id)
  semi join student s using (school_year, student_id)
), course as (
  select school_year, student_id, bool_or(not dropped) as advanced, bool_or(program is not null) as began,
    bool_or(program is not null and not dropped) as ap_ib, bool_or(program = 'ap' and not dropped) as ap,
    bool_or(program = 'ib' and not dropped) as ib, bool_or(program = 'ap' and stem and not dropped) as ap_stem,
    bool_or(program is not null and graded) as graded, bool_or(program is not null and good) as good
  from seat group by all
), seats as (
  select school_year, student_id, count(*) as n, count(*) filter (good) as s
  from (select school_year, student_id, school_id, course_id, bool_and(good) as good from seat
        where program is not null and graded group by all)
  group by all
), offered as (
  select school_year, school_id, count(distinct offering) >= 1 as offered from seat where program is not null group by all
), exam as (
  select exam_year as school_year, student_id, bool_or(program = 'ap') as ap, bool_or(program = 'ib') as ib,
    bool_or(program = 'ap' and score >= 3) as ap_passed, bool_or(program = 'ib' and score >= 4) as ib_passed
  from {exam_results} group by all
), ever as (
  select distinct e.school_year + back as school_year, e.student_id from exam e, range(4) as b(back) where e.ap_passed
), since as (
  select student_id, min(seen) as seen, min(first_ap_ib) as first_ap_ib
  from (select student_id, school_year as seen, null as first_ap_ib from student
        union all select student_id, null, school_year from course where ap_ib)
  group by all
), event as (
  select school_year, student_id, bool_or(action = 'oss') as oss, bool_or(action = 'iss') as iss,
    bool_or(action = 'referral') as referral, bool_or(action = 'expulsion') as expulsion
  from {discipline} group by all
), days as (
  select school_year, student_id, sum(days_enrolled) as enrolled, sum(days_absent) as absent from {attendance} group by all
)
select school_year, school_id, grade_level, coalesce(cell_1, cell_2) as cell,
  count(*) as n0, count(*) filter (ap_ib) as s0, count(*) as n1, count(*) filter (advanced) as s1,
  count(*) as n2, count(*) filter (ap_stem) as s2,
  count(*) filter (is_new) as n3, count(*) filter (is_new and ap_ib) as s3,
  count(*) as n4, count(*) filter (offered) as s4, count(*) filter (graded) as n5, count(*) filter (good) as s5,
  sum(graded_seats) as n6, sum(good_seats) as s6, count(*) filter (began) as n7, count(*) filter (ap_ib) as s7,
  count(*) filter (ap_ib) as n8, count(*) filter (taken) as s8, count(*) filter (taken) as n9, count(*) filter (passed) as s9,
  count(*) filter (ap_ib) as n10, count(*) filter (passed) as s10,
  count(*) filter (grade_level = '12') as n11, count(*) filter (grade_level = '12' and passed_ever) as s11,
  count(*) filter (enrolled >= 10) as n12, count(*) filter (enrolled >= 10 and 10 * absent >= enrolled) as s12,
  count(*) as n13, count(*) filter (oss) as s13, count(*) as n14, count(*) filter (iss) as s14,
  count(*) as n15, count(*) filter (oss or iss) as s15, count(*) as n16, count(*) filter (referral) as s16,
  count(*) as n17, count(*) filter (expulsion) as s17
from (
  select s.*, c.* exclude (school_year, student_id, ap, ib), q.n as graded_seats, q.s as good_seats, o.offered,
    t.* exclude (school_year, student_id), v.student_id is not null as passed_ever, d.enrolled, d.absent,
    (s.grade_level = '09' or f.seen < s.school_year) and coalesce(f.first_ap_ib >= s.school_year, true) as is_new,
    (c.ap and x.ap) or (c.ib and x.ib) as taken, ((c.ap and x.ap) or (c.ib and x.ib)) and (x.ap_passed or x.ib_passed) as passed
  from student s
  left join course c using (school_year, student_id) left join seats q using (school_year, student_id)
  left join exam x using (school_year, student_id) left join ever v using (school_year, student_id)
  left join since f using (student_id) left join offered o using (school_year, school_id)
  left join event t using (school_year, student_id) left join days d using (school_year, student_id)
)
group by grouping sets ((school_year, school_id, grade_level, cell_1), (school_year, school_id, grade_level, cell_2));

create temp table cell_subgroup as
with cell as (
  select distinct hispanic_latino, races, economically_disadvantaged as ed, english_learner as el, disability_idea, section_504, sex, homeless,
    foster_care, first_generation, case when hispanic_latino = 'yes' then 'hispanic' when races like '%;%' then 'two_or_more'
    when races = '' then 'unknown' when races = 'BlackOrAfricanAmerican' then 'black'
    when races = 'AmericanIndianOrAlaskaNative' then 'american_indian_or_alaska_native' else lower(races) end as race
  from {students}
), one as (
  select distinct hash(hispanic_latino, races, ed, sex) as cell, unnest([
    struct_pack(d := 'all_students', g := 'all'), struct_pack(d := 'race_ethnicity', g := race),
    struct_pack(d := 'student_of_color', g := case race when 'white' then 'no' when 'unknown' then 'unknown' else 'yes' end),
    struct_pack(d := 'economically_disadvantaged', g := ed), struct_pack(d := 'sex', g := sex),
    struct_pack(d := 'underrepresented', g := case
      when ed = 'yes' or race in ('american_indian_or_alaska_native', 'black', 'hispanic') then 'yes'
      when ed = 'no' and race <> 'unknown' then 'no' else 'unknown' end),
    struct_pack(d := 'race_ethnicity*economically_disadvantaged', g := race || '*' || ed),
    struct_pack(d := 'race_ethnicity*sex', g := race || '*' || sex)]) as dg
  from cell
  union
  select distinct hash(1, el, disability_idea, section_504, homeless, foster_care, first_generation), unnest([
    struct_pack(d := 'english_learner', g := case el when 'current' then 'yes' else 'no' end),
    struct_pack(d := 'english_learner_ever', g := case el when 'never' then 'no' else 'yes' end),
    struct_pack(d := 'disability_idea', g := disability_idea), struct_pack(d := 'section_504', g := section_504),
    struct_pack(d := 'homeless', g := homeless), struct_pack(d := 'foster_care', g := foster_care),
    struct_pack(d := 'first_generation', g := first_generation)])
  from cell
), combined as (
  select distinct hash(hispanic_latino, races, ed, sex) as cell, unnest(list_concat(case when hispanic_latino = 'yes' then ['hispanic'] else [] end, case races when '' then
    case when hispanic_latino = 'yes' then [] else ['unknown'] end when 'White;Asian' then ['white', 'asian'] when 'BlackOrAfricanAmerican' then ['black']
    when 'AmericanIndianOrAlaskaNative' then ['american_indian_or_alaska_native'] else [lower(races)] end)) as g
  from cell
)
select cell, dg.d as dimension, dg.g as subgroup, dg.d like '%*%' as crossed from one
union all select cell, 'race_alone_or_in_combination', g, false from combined;

create temp table place_count as
with fine as (
  select f.school_year, f.school_id, f.grade_level, m.dimension, m.subgroup, m.crossed, {fine_sums}
  from fact f join cell_subgroup m using (cell) group by all
)
select school_year, coalesce(school_id, '_all') as school_id, coalesce(grade_level, '_all') as grade_level, dimension, subgroup, {sums}
from fine
group by grouping sets ((school_year, dimension, subgroup, crossed), (school_year, dimension, subgroup, crossed, school_id),
  (school_year, dimension, subgroup, crossed, grade_level), (school_year, dimension, subgroup, crossed, school_id, grade_level))
having not crossed or grade_level is null;

create temp table counted as {long_counts};

create temp table described as
select c.*, d.partitioning = 'yes' as partitioning, d.reference_subgroup, list_contains(string_split(c.subgroup, '*'), 'unknown') as unknown,
  case when m.direction = 'lower_is_better' then -1 else 1 end as direction
from counted c join {dimensions} d using (dimension) join {metrics} m using (metric_id);

create table intermediate.int_references as
with of_dimension as (
  select school_year, school_id, grade_level, metric_id, dimension,
    cast(sum(n) filter (partitioning and not unknown) as bigint) as known_n,
    cast(sum(successes) filter (partitioning and not unknown) as bigint) as known_successes,
    min(struct_pack(behind := -direction * successes / n, g := subgroup, n := n, s := successes)) filter (n >= 10 and not unknown) as best,
    max(struct_pack(g := subgroup, n := n, s := successes)) filter (subgroup = reference_subgroup) as designated
  from described group by all
), overall as (
  select school_year, school_id, grade_level, metric_id, n, successes from described where dimension = 'all_students'
)
select school_year, school_id, grade_level, metric_id, dimension, subgroup, direction, partitioning, c.n, c.successes, reason,
  known_n - case when unknown then 0 else c.n end as rest_n, known_successes - case when unknown then 0 else c.successes end as rest_successes,
  'all' as overall_subgroup, o.n as overall_n, o.successes as overall_successes,
  best.g as highest_subgroup, best.n as highest_n, best.s as highest_successes,
  designated.g as designated_subgroup, designated.n as designated_n, designated.s as designated_successes
from described c
join of_dimension using (school_year, school_id, grade_level, metric_id, dimension)
left join overall o using (school_year, school_id, grade_level, metric_id);
"""
MEASURED = ["ap_ib_enrollment", "advanced_enrollment", "ap_stem_enrollment", "first_time_ap_ib", "courses_offered_access",
            "course_grade_c_or_better", "course_seats_c_or_better", "course_completed", "exam_taken", "exam_passed_of_takers",
            "exam_passed_of_enrolled", "equity_and_excellence", "chronically_absent", "suspended_oss", "suspended_iss",
            "suspended_any", "referred", "expelled"]  # fmt: skip
# The first year has no year before it, and nobody was asked.
NOT_MEASURED = {
    "first_time_ap_ib": "not_measured: earlier_years",
    "equity_and_excellence": "not_measured: exam_history",
}
NEVER_MEASURED = {"ap_potential_enrolled": "not_measured: readiness_scores",
                  "belonging_favorable": "not_measured: survey_belonging",
                  "expectations_favorable": "not_measured: survey_expectations"}  # fmt: skip
# The arithmetic of a gap, from the counts of a group and its references.
LAST_STEP = (("intermediate", "int_p_values"), ("marts", "gap_metrics"))


def generate(home: Home, student_years: int, schools: int) -> None:
    with duckdb.connect() as connection:
        connection.execute(DRAW)
        for extract, query in EXTRACTS.items():
            for year in YEARS:
                folder = home.extract(extract, PARTNER.partner_id, year)
                folder.mkdir(parents=True)
                rows = query.format(year=year, schools=schools, students=student_years // len(YEARS))
                connection.execute(
                    f"copy ({rows}) to '{folder / 'part-0.parquet'}' (format parquet, compression zstd)"
                )


def by_dbt(home: Home) -> Path:
    """All marts, as a run of the product builds them: load, seeds, models, tests, swap."""
    build.build(home, PARTNER, deliveries=[])
    return home.warehouse(PARTNER.partner_id)


def by_hand(home: Home) -> Path:
    """`gap_metrics` alone, by `SCRIPT`."""
    file = home.root / "by_hand" / "warehouse.duckdb"
    file.parent.mkdir()
    names: dict[str, str] = {
        extract: f"read_parquet('{home.root}/extracts/{extract}/partner_id=bench/*/*.parquet', hive_partitioning = true)"
        for extract in EXTRACTS
    }
    for seed in [*project.FOLDER.glob("seeds/*/*.csv")]:
        names[seed.stem] = f"read_csv('{seed}', header = true, all_varchar = true)"
    pairs = [f"{sign}{i}" for i in range(len(MEASURED)) for sign in "ns"]
    names["fine_sums"] = ", ".join(f"sum(f.{column}::double) as {column}" for column in pairs)
    names["sums"] = ", ".join(f"cast(coalesce(sum({column}), 0) as bigint) as {column}" for column in pairs)
    key = "school_year, school_id, grade_level, dimension, subgroup"
    unmeasured = "cast(null as bigint) as n, cast(null as bigint) as successes"
    long = [
        f"select {key}, '{m}' as metric_id, {unmeasured}, '{why}' as reason from place_count"
        for m, why in NEVER_MEASURED.items()
    ]
    for i, metric in enumerate(MEASURED):
        why = NOT_MEASURED.get(metric)
        first = f"school_year = {YEARS[0]}" if why else "false"
        long.append(
            f"select {key}, '{metric}' as metric_id, case when {first} then null else n{i} end as n, "
            f"case when {first} then null else s{i} end as successes, case when {first} then '{why}' end as reason from place_count"
        )
    names["long_counts"] = " union all ".join(long)
    limits = {limit: project.settings()[limit] for limit in ("threads", "memory_limit")}
    with duckdb.connect(file, config=limits) as connection:
        for schema in ("intermediate", "policy", "raw", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute(SCRIPT.format(**names))
        keys = json.loads((home.root / "policy.json").read_text())
        connection.execute(
            "create table intermediate.int_policy as select * from read_json(?)",
            [str(home.root / "policy.json")],
        )
        assert keys
        connection.execute(f"create table policy.metrics as select * from {names['metrics']}")
        connection.execute(
            "create table raw.partner as select 'bench' as partner_id, 'Bench' as name, 'CA' as state"
        )
        connection.execute(
            "create table intermediate.int_year_versions as select distinct school_year, '1997' as race_standard, 'frl_form' as "
            "econ_basis, make_date(school_year - 1, 10, 1) as snapshot_date, cast(null as date) as extract_as_of, "
            "(select policy_version from intermediate.int_policy) as policy_version from student"
        )
        # The state has published nothing.
        connection.execute(
            "create table intermediate.int_state_rest (school_year integer, metric_id varchar, dimension varchar, subgroup varchar, rate double)"
        )
        for schema, name in LAST_STEP:
            connection.execute(f"create table {schema}.{name} as " + (home.root / f"{name}.sql").read_text())
    return file


def prepare(home: Home) -> None:
    """What the script takes from the project: the typed policy row and the arithmetic of a gap."""
    small = Home(home.root / "small")
    generate(small, 500, 2)
    warehouse = by_dbt(small)
    with duckdb.connect(warehouse, read_only=True) as connection:
        connection.execute(f"copy intermediate.int_policy to '{home.root / 'policy.json'}' (format json)")
    for _, name in LAST_STEP:
        code = project.manifest()["nodes"][f"model.equity.{name}"]["compiled_code"]
        (home.root / f"{name}.sql").write_text(code)


@contextmanager
def tests_apart() -> Iterator[dict[str, float]]:
    """Have a build ask its tests in a call of their own, and hand out the seconds that they take."""
    run, taken = models.run, {"wall s": 0.0, "CPU s": 0.0}

    def models_then_tests(connection: duckdb.DuckDBPyConnection, nodes: list[Any]) -> list[models.NodeResult]:
        tests = [node for node in nodes if node["resource_type"] == "test"]
        made = run(connection, [node for node in nodes if node not in tests])
        wall, cpu = time.perf_counter(), time.process_time()
        asked = run(connection, tests)
        taken.update({"wall s": time.perf_counter() - wall, "CPU s": time.process_time() - cpu})
        return made + asked

    with mock.patch.object(models, "run", models_then_tests):
        yield taken


def measured(home: Home, way: str) -> tuple[Path, dict[str, float], dict[str, float]]:
    """Run one way in a process of its own: the file, what all of it took, what its tests took."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(
        [sys.executable, __file__, "--run", way, "--home", str(home.root)],
        check=True,
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    file, peak, tests = process.stdout.strip().splitlines()[-1].split("\t")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    taken = {"wall s": time.perf_counter() - started, "CPU s": cpu, "peak GiB": float(peak)}
    return Path(file), taken, json.loads(tests)


def peak_gib() -> float:
    """The most memory that this process ever held; `getrusage` would tell of the process that started it as well."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**20


def summary(file: Path) -> list[tuple]:
    """Rows, counts and rounded statistics of `gap_metrics`, by metric and reference."""
    with duckdb.connect(file, read_only=True) as connection:
        return connection.execute(
            "select metric_id, reference, count(*), sum(n), sum(successes), sum(reference_n), sum(students_needed), "
            "count(gap), round(sum(gap), 4), round(sum(gap_low), 4), round(sum(p_value_adjusted), 4), count(*) filter (index80_flag) "
            "from marts.gap_metrics group by 1, 2 order by 1, 2"
        ).fetchall()


def compare(student_years: int, schools: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="marts-") as folder:
        home = Home(Path(folder))
        generate(home, student_years, schools)
        prepare(home)
        runs, tests, made = {}, {}, {}
        for way in ("dbt", "hand"):
            file, runs[way], tests[way] = measured(home, way)
            made[way] = summary(file)
        rows = sum(row[2] for row in made["dbt"])
        marts = runs["dbt"] | {of: runs["dbt"][of] - seconds for of, seconds in tests["dbt"].items()}
        ratios = {
            f"{name} / hand": {of: taken[of] / runs["hand"][of] for of in taken}
            for name, taken in (("all marts", marts), ("and tests", runs["dbt"]))
        }
        print(
            f"\n{student_years:,} student-years, {8 * student_years:,} course enrollments, {schools} schools: {rows:,} rows"
        )
        told = {"all marts": marts, "their tests": tests["dbt"], "hand": runs["hand"], **ratios}
        for name, figures in told.items():
            print(f"  {name:<17}" + "".join(f"{value:9.2f} {of}" for of, value in figures.items()))
        differing = [
            (one, other) for one, other in zip(made["dbt"], made["hand"], strict=False) if one != other
        ]
        same = len(made["dbt"]) == len(made["hand"]) and not differing
        print("  same numbers" if same else f"  NOT the same numbers: {differing[:3]}")
        return runs


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--student-years", type=int, default=5_000_000)
    arguments.add_argument("--schools", type=int, default=100)
    arguments.add_argument("--halves", action="store_true")
    arguments.add_argument("--run", choices=["dbt", "hand"], help=argparse.SUPPRESS)
    arguments.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.run:
        with tests_apart() as tests:
            file = {"dbt": by_dbt, "hand": by_hand}[given.run](Home(given.home))
        print(f"{file}\t{peak_gib()}\t{json.dumps(tests)}")
        return
    whole = compare(given.student_years, given.schools)
    if given.halves:
        half = compare(given.student_years // 2, given.schools)
        print(f"\ntwice the students take {whole['dbt']['CPU s'] / half['dbt']['CPU s']:.2f} times the CPU")


if __name__ == "__main__":
    main()
