"""Schools where a group all but vanished since last year: before any gap is made of it, a person must say it is true.

Belongs here: comparing two school years of stored extracts. Does not belong here: what a blocked gap looks like (dbt).

Grain of `drift_blocks`: school year × school × dimension. A row without `accepted_because` blocks the gaps of that
dimension. Lunch status is lost more often than it changes: a meal programme that no longer asks, a field that was
renamed in the student system (English learners 221 → 5, meals 3,945 → 0 in two districts' files).
"""

from __future__ import annotations

import shutil

import polars as pl

from equity_pipeline.domain import school_years
from equity_pipeline.extracts.policy import number
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage import sealed
from equity_pipeline.storage.atomic import new_folder
from equity_pipeline.storage.home import Home

TABLE = "drift_blocks"
_GROUPS = {"economically_disadvantaged": "yes", "english_learner": "current"}
_ID = ["school_id", "dimension"]


def compare(home: Home, partner: Partner, school_year: int) -> None:
    """Write the blocks of a school year and of the one after it, which is compared with it."""
    for year in (school_year, school_year + 1):
        _write(home, partner, year, _blocks(home, partner, year))


def stale(home: Home, partner: Partner) -> set[int]:
    """The school years whose blocks say otherwise of a person's acceptance than the partner file does now."""
    years = set()
    for path in (home.root / "extracts" / TABLE / f"partner_id={partner.partner_id}").glob(
        "*/part-0.parquet"
    ):
        year = int(path.parent.name.removeprefix("school_year="))
        stored = pl.read_parquet(sealed.source(path), hive_partitioning=False)
        if not stored.equals(_with_acceptance(stored.drop("accepted_because"), partner, year)):
            years.add(year)
    return years


def _blocks(home: Home, partner: Partner, year: int) -> pl.DataFrame:
    """`school_id`, `dimension`, `reason`, `prior_n`, `n`, `accepted_because`; the reason holds no count, because it is
    shown to everyone."""
    before, now = (_sizes(home, partner, of) for of in (year - 1, year))
    pairs = before.join(now, on=_ID, suffix="_now").with_columns(
        lost=pl.col("n_now") / pl.col("size_now") < number("drift_collapse_share") * pl.col("n") / pl.col("size"),
        unknown=pl.col("unknown_now") / pl.col("size_now") - pl.col("unknown") / pl.col("size")
        > number("drift_unknown_rise"),
    )  # fmt: skip
    last = school_years.label(year - 1)
    reason = pl.when("lost").then(
        pl.format("the share of {} fell to under {} % of that of " + last, "dimension",
                  pl.lit(round(100 * number("drift_collapse_share"))))
    ).otherwise(
        pl.format("{} is not known for far more students than in " + last, "dimension")
    )  # fmt: skip
    blocks = pairs.filter((pl.col("n") >= number("drift_judged")) & (pl.col("lost") | pl.col("unknown")))
    return _with_acceptance(
        blocks.select(*_ID, reason.alias("reason"), pl.col("n").alias("prior_n"), pl.col("n_now").alias("n")).sort(_ID),
        partner, year,
    )  # fmt: skip


def _sizes(home: Home, partner: Partner, year: int) -> pl.DataFrame:
    """Per school and dimension: students at any time of the year (`size`), those in the group (`n`) and those of whom it
    is not known (`unknown`)."""
    counts = ("size", "n", "unknown")
    nothing = pl.DataFrame(schema={**dict.fromkeys(_ID, pl.String), **dict.fromkeys(counts, pl.Int64)})
    folders = [
        home.extract(extract, partner.partner_id, year) for extract in ("students", "school_enrollments")
    ]
    if not all(folder.exists() for folder in folders):
        return nothing
    students, stays = (
        pl.scan_parquet(sealed.parquet_of(folder), hive_partitioning=False) for folder in folders
    )
    members = stays.select("student_id", "school_id").unique().join(
        students.select("student_id", *_GROUPS), on="student_id"
    )  # fmt: skip
    sizes = [
        members.group_by("school_id").agg(
            pl.lit(dimension).alias("dimension"), pl.len().cast(pl.Int64).alias("size"),
            (pl.col(dimension) == value).sum().cast(pl.Int64).alias("n"),
            (pl.col(dimension).fill_null("unknown") == "unknown").sum().cast(pl.Int64).alias("unknown"),
        )
        for dimension, value in _GROUPS.items()
    ]  # fmt: skip
    return pl.concat(sizes).select(nothing.columns).collect()


def _with_acceptance(blocks: pl.DataFrame, partner: Partner, year: int) -> pl.DataFrame:
    because = pl.lit(None, pl.String)
    for one in partner.accepted_drift:
        if one.school_year == year:
            meant = (pl.col("dimension") == one.dimension) & pl.lit(one.school_id == "_all").or_(
                pl.col("school_id") == one.school_id
            )
            because = pl.when(meant).then(pl.lit(one.because)).otherwise(because)
    return blocks.with_columns(because.alias("accepted_because"))


def _write(home: Home, partner: Partner, year: int, blocks: pl.DataFrame) -> None:
    folder = home.extract(TABLE, partner.partner_id, year)
    if blocks.is_empty():
        shutil.rmtree(folder, ignore_errors=True)
        return
    with new_folder(folder) as scratch:
        sealed.write_parquet(blocks, scratch / "part-0.parquet")
