"""What numbers cost as districts grow: `python benchmarks/scale.py [student-years …, else 20000 200000 2000000]`.

At each size five ways run from the same Parquet, each in a process of its own: all marts as the product builds them, the
hand-written DuckDB script that makes the same `gap_metrics` (benchmarks/marts.py), and, as a yardstick of what the engines
can do at all, the counts of three outcomes by three groupings, school and grade with all margins, by one DuckDB statement, polars
and pandas. Prints wall and CPU seconds, peak memory and the ratio of CPU to the script; checks that all that should agree does; writes
benchmarks/results/scale.json and scale.svg, CPU seconds against student-years.
"""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import marts
import pandas as pd
import polars as pl

from equity_pipeline.storage.home import Home

SIZES = (20_000, 200_000, 2_000_000)
STUDENT_YEARS_OF_A_SCHOOL = 10_000
GROUPINGS = ("sex", "economically_disadvantaged", "english_learner")
OUTCOMES = ("absent", "examined", "referred")
KEY = ["school_year", "student_id"]
MARGINS = (["school_id", "grade_level"], ["school_id"], ["grade_level"], [])
RESULTS = Path(__file__).parent / "results"


def files(home: Home, extract: str) -> str:
    return f"{home.root}/extracts/{extract}/partner_id=bench/*/*.parquet"


def with_duckdb(home: Home) -> int:
    scan = {name: f"read_parquet('{files(home, name)}', hive_partitioning = true)" for name in marts.EXTRACTS}
    sums = ", ".join(f"count(*) filter ({outcome}) as {outcome}" for outcome in OUTCOMES)
    sets = ", ".join(
        f"({', '.join(['school_year', group, *margin])})"
        for group, margin in itertools.product(GROUPINGS, MARGINS)
    )
    query = f"""
        with student as (
          select s.school_year, e.school_id, s.grade_level, {", ".join(GROUPINGS)}, 10 * a.days_absent >= a.days_enrolled as absent,
            x.student_id is not null as examined, d.student_id is not null as referred
          from {scan["students"]} s
          join {scan["school_enrollments"]} e using (school_year, student_id)
          join {scan["attendance"]} a using (school_year, student_id)
          left join (select distinct school_year, student_id from {scan["exam_results"]}) x using (school_year, student_id)
          left join (select distinct school_year, student_id from {scan["discipline"]}) d using (school_year, student_id)
        )
        select count(*) as n, {sums} from student group by grouping sets ({sets})
    """
    with duckdb.connect(config={"threads": 2}) as connection:
        made = f"select count(*) + sum(n) + sum({' + '.join(OUTCOMES)}) from ({query})"
        return int(connection.execute(made).fetchall()[0][0])


def with_polars(home: Home) -> int:
    def read(extract: str, *columns: str) -> pl.LazyFrame:
        return pl.scan_parquet(files(home, extract), hive_partitioning=True).select(*KEY, *columns)

    def seen(extract: str, outcome: str) -> pl.LazyFrame:
        return read(extract).unique().with_columns(pl.lit(True).alias(outcome))

    absent = pl.col("days_absent") * 10 >= pl.col("days_enrolled")
    students = (
        read("students", "grade_level", *GROUPINGS)
        .join(read("school_enrollments", "school_id"), on=KEY)
        .join(read("attendance", "days_enrolled", "days_absent"), on=KEY)
        .join(seen("exam_results", "examined"), on=KEY, how="left")
        .join(seen("discipline", "referred"), on=KEY, how="left")
        .with_columns(absent.alias("absent"), pl.col("examined", "referred").fill_null(value=False))
        .collect()
    )
    total = 0
    for group, margin in itertools.product(GROUPINGS, MARGINS):
        made = students.group_by("school_year", group, *margin).agg(
            pl.len().alias("n"), pl.col(OUTCOMES).sum()
        )
        total += len(made) + int(sum(made[column].sum() for column in ("n", *OUTCOMES)))
    return total


def with_pandas(home: Home) -> int:
    def read(extract: str, *columns: str) -> pd.DataFrame:
        folder = home.root / "extracts" / extract / "partner_id=bench"
        return pd.read_parquet(folder, columns=[*KEY, *columns]).astype({"school_year": int})

    def seen(extract: str, outcome: str) -> pd.DataFrame:
        return read(extract).drop_duplicates().assign(**{outcome: 1})

    students = (
        read("students", "grade_level", *GROUPINGS)
        .merge(read("school_enrollments", "school_id"), on=KEY)
        .merge(read("attendance", "days_enrolled", "days_absent"), on=KEY)
        .merge(seen("exam_results", "examined"), on=KEY, how="left")
        .merge(seen("discipline", "referred"), on=KEY, how="left")
        .assign(absent=lambda row: row["days_absent"] * 10 >= row["days_enrolled"], n=1)
        .fillna({"examined": 0, "referred": 0})
    )
    total = 0
    for group, margin in itertools.product(GROUPINGS, MARGINS):
        made = students.groupby(["school_year", group, *margin])[["n", *OUTCOMES]].sum()
        total += len(made) + int(made.to_numpy().sum())
    return total


WAYS = {
    "all marts": lambda home: marts.summary(marts.by_dbt(home)),
    "script": lambda home: marts.summary(marts.by_hand(home)),
    "DuckDB": with_duckdb,
    "polars": with_polars,
    "pandas": with_pandas,
}


def measured(home: Home, way: str) -> tuple[object, dict[str, float]]:
    """What one way found, run in a process of its own, and what it took once its libraries were there."""
    command = [sys.executable, __file__, "--way", way, str(home.root)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run(home: Home, way: str) -> tuple[object, dict[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = WAYS[way](home)
    took = {"wall s": time.perf_counter() - wall, "CPU s": time.process_time() - cpu}
    return found, took | {"peak GiB": marts.peak_gib()}


def at_size(student_years: int) -> dict[str, dict[str, float]]:
    schools = max(2, student_years // STUDENT_YEARS_OF_A_SCHOOL)
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        home = Home(Path(folder))
        marts.generate(home, student_years, schools)
        marts.prepare(home)
        runs = {way: measured(home, way) for way in WAYS}
    assert runs["all marts"][0] == runs["script"][0], "the marts and the script do not make the same numbers"
    assert runs["DuckDB"][0] == runs["polars"][0] == runs["pandas"][0], "the engines do not count alike"
    script = runs["script"][1]["CPU s"]
    took = {way: spent | {"CPU of script": spent["CPU s"] / script} for way, (_, spent) in runs.items()}
    print(f"\n{student_years:,} student-years, {8 * student_years:,} course enrollments, {schools} schools")
    print(f"  {'':<10}" + "".join(f"{of:>15}" for of in took["script"]))
    for way, spent in took.items():
        print(f"  {way:<10}" + "".join(f"{value:>15.2f}" for value in spent.values()), flush=True)
    return took


def picture(sizes: dict[int, dict[str, dict[str, float]]]) -> str:
    """CPU seconds against student-years, both in powers of ten."""
    points = {
        way: [(math.log10(size), math.log10(ways[way]["CPU s"])) for size, ways in sizes.items()]
        for way in WAYS
    }
    across, up = zip(*itertools.chain(*points.values()), strict=True)
    left, right, low, high = (
        math.floor(min(across)),
        math.ceil(max(across)),
        math.floor(min(up)),
        math.ceil(max(up)),
    )

    def place(x: float, y: float) -> tuple[float, float]:
        return 60 + 460 * (x - left) / (right - left), 320 - 300 * (y - low) / (high - low)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" font-family="sans-serif" font-size="12">'
    ]
    for tick in range(left, right + 1):
        x, y = place(tick, low)
        parts.append(
            f'<path d="M{x:.0f} {y:.0f}V20" stroke="#ddd"/><text x="{x:.0f}" y="340" text-anchor="middle">{10**tick:,}</text>'
        )
    for tick in range(low, high + 1):
        x, y = place(left, tick)
        parts.append(
            f'<path d="M{x:.0f} {y:.0f}H520" stroke="#ddd"/><text x="55" y="{y + 4:.0f}" text-anchor="end">{10.0**tick:g} s</text>'
        )
    for (way, line), colour in zip(
        points.items(), ("#1b4f72", "#b03a2e", "#1e8449", "#7d3c98", "#9a7d0a"), strict=True
    ):
        drawn = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in line)
        x, y = place(*line[-1])
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 6:.0f}" y="{y + 4:.0f}" fill="{colour}">{way}</text>')
    parts.append('<text x="290" y="357" text-anchor="middle">student-years</text></svg>\n')
    return "\n".join(parts)


def main(sizes: list[int]) -> None:
    took = {size: at_size(size) for size in sorted(sizes)}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(took, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "scale.svg").write_text(picture(took), encoding="utf-8")
    print(f"\nwritten: {RESULTS / 'scale.json'} and scale.svg")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        print(json.dumps(run(Home(Path(sys.argv[3])), sys.argv[2])))
    else:
        main([int(size) for size in sys.argv[1:]] or list(SIZES))
