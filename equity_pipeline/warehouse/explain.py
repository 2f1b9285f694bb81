"""Where one number comes from: its counts, its rules, their versions, the deliveries it stands on, and what was released."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb

from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.storage.home import Home


def explain(
    home: Home,
    partner_id: str,
    metric: str,
    subgroup: str,
    *,
    dimension: str | None = None,
    school_year: int | None = None,
    school_id: str = "_all",
    reference: str = "designated",
) -> Iterator[str]:
    """Lines about one row of `gap_metrics` (all grades), read from the finished warehouse. Restricted: the counts are
    not suppressed. `school_year` None: the newest year with that row.

    Raises:
        EquityError: no warehouse yet, no such row, or a subgroup that several dimensions have.
    """
    path = home.warehouse(partner_id)
    if not path.exists():
        raise EquityError(
            f"{partner_id} has no warehouse yet: `equity-pipeline run --partner {partner_id}` builds it"
        )
    with duckdb.connect(str(path), read_only=True) as warehouse:
        row = _row(warehouse, metric, subgroup, dimension, school_year, school_id, reference)
        yield from _counts(row)
        yield from _rules(
            row, _first(warehouse, "select * from policy.metrics where metric_id = ?", [metric])
        )
        years = [row["school_year"], *([row["school_year"] - 1] if row["gap_change"] is not None else [])]
        for year in years:
            yield from _rows(warehouse, home, partner_id, year)
        yield from _released(warehouse, home, partner_id, row)


def _query(warehouse: duckdb.DuckDBPyConnection, sql: str, values: list[Any]) -> list[dict[str, Any]]:
    cursor = warehouse.execute(sql, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _first(warehouse: duckdb.DuckDBPyConnection, sql: str, values: list[Any]) -> dict[str, Any]:
    return _query(warehouse, sql, values)[0]


def _row(
    warehouse: duckdb.DuckDBPyConnection,
    metric: str,
    subgroup: str,
    dimension: str | None,
    school_year: int | None,
    school_id: str,
    reference: str,
) -> dict[str, Any]:
    rows = _query(
        warehouse,
        "select g.*, c.status, c.gap_change, c.prior_gap from marts.gap_metrics g "
        "left join marts.gap_closure c using (school_year, school_id, metric_id, dimension, subgroup, reference) "
        "where g.grade_level = '_all' and g.metric_id = ? and g.subgroup = ? and g.school_id = ? and g.reference = ? "
        "and (? is null or g.dimension = ?) and (? is null or g.school_year = ?) "
        "order by g.school_year desc, g.dimension",
        [metric, subgroup, school_id, reference, dimension, dimension, school_year, school_year],
    )
    if not rows:
        raise EquityError(
            f"no number for {metric}, {subgroup}, school {school_id}, reference {reference}; "
            + _choices(warehouse, metric, school_id)
        )
    newest = [row for row in rows if row["school_year"] == rows[0]["school_year"]]
    if len(newest) > 1:
        raise EquityError(
            f"several dimensions have {subgroup}: add --dimension with one of "
            + ", ".join(row["dimension"] for row in newest)
        )
    return newest[0]


def _choices(warehouse: duckdb.DuckDBPyConnection, metric: str, school_id: str) -> str:
    """What can be asked for instead: metrics where this one is unknown, else schools, else this metric's groups."""

    def listed(column: str, table: str, **equal: str) -> list[str]:
        where = " and ".join(f"{name} = ?" for name in equal) or "true"
        sql = f"select distinct {column} from {table} where {where} order by 1"
        return [value for (value,) in warehouse.execute(sql, list(equal.values())).fetchall()]

    metrics = listed("metric_id", "policy.metrics")
    if metric not in metrics:
        return f"metrics are {', '.join(metrics)}"
    groups = listed("subgroup", "marts.gap_metrics", metric_id=metric, school_id=school_id)
    if not groups:
        return f"schools with this metric are {', '.join(listed('school_id', 'marts.gap_metrics', metric_id=metric))}"
    return f"groups with this metric are {', '.join(groups)}"


def _counts(row: dict[str, Any]) -> Iterator[str]:
    where = "district" if row["school_id"] == "_all" else f"school {row['school_id']}"
    year = school_years.label(row["school_year"])
    yield f"{row['metric_id']}, {row['dimension']} = {row['subgroup']}, {year}, {where} (restricted: not suppressed)"
    if row["rate"] is None:
        yield f"  no rate: {row['reason']}"
        return
    yield f"  subgroup   {row['successes']:,} of {row['n']:,} = {row['rate']:.4f}"
    if row["reference_rate"] is None:
        yield f"  no {row['reference']} reference: {row['reason']}"
        return
    named = f" ({row['reference_subgroup']})" if row["reference_subgroup"] else ""
    counts = f"{row['reference_successes']:,} of {row['reference_n']:,} = {row['reference_rate']:.4f}"
    yield f"  reference  {counts}: {row['reference']}{named}"
    interval = (
        "" if row["gap_low"] is None else f", 95 % interval {row['gap_low']:+.4f} to {row['gap_high']:+.4f}"
    )
    yield f"  gap        {row['gap']:+.4f}{interval}; {row['students_needed']:,} students needed to close it"
    change = (
        ""
        if row["gap_change"] is None
        else f", {row['gap_change']:+.4f} since {row['prior_gap']:+.4f} a year ago"
    )
    yield f"  status     {row['status']}{change}" + (
        "" if row["reliable"] else f"; not reliable: {row['reason']}"
    )


def _rules(row: dict[str, Any], metric: dict[str, Any]) -> Iterator[str]:
    yield f"  rule       {metric['definition']} ({metric['source']})"
    yield (
        f"  versions   metric {row['metric_version']}, policy {row['policy_version']}, snapshot {row['snapshot_date']}, "
        f"race standard {row['race_standard'] or 'not stated'}, income basis {row['econ_basis'] or 'not stated'}"
    )


def _rows(
    warehouse: duckdb.DuckDBPyConnection, home: Home, partner_id: str, school_year: int
) -> Iterator[str]:
    counted = _query(
        warehouse,
        "select measure, n from marts.data_quality where school_year = ? and extract = 'students' and item = '_all'",
        [school_year],
    )
    told = ", ".join(f"{row['n']:,} {row['measure'].replace('_', ' ')}" for row in counted)
    yield f"  students   {school_years.label(school_year)}: {told or 'counts only'}"
    stands = {
        (row["extract"], row["delivery_id"])
        for row in _query(
            warehouse, "select extract, delivery_id from raw.deliveries where school_year = ?", [school_year]
        )
    }
    for load in Ledger(home).current(partner_id, school_year):
        if (load["extract"], load["delivery_id"]) in stands:
            as_of = f" as of {load['as_of']}" if load["as_of"] else ""
            counts = ", ".join(f"{load[count]:,} {count}" for count in ("loaded", "rejected", "duplicates"))
            yield f"    {load['extract']:<20} {load['delivery_id']}  {counts}  {load['delivered_file']}{as_of}"


def _released(
    warehouse: duckdb.DuckDBPyConnection, home: Home, partner_id: str, row: dict[str, Any]
) -> Iterator[str]:
    """What readers are told of the number in the newest release."""
    path = home.releases(partner_id) / "latest" / "data" / "gap_metrics.parquet"
    if not path.exists():
        yield "  released   nothing yet"
        return
    key = ("school_year", "school_id", "grade_level", "metric_id", "dimension", "subgroup", "reference")
    found = _query(
        warehouse,
        f"select * from read_parquet(?) where {' and '.join(f'{name} = ?' for name in key)}",
        [str(path), *(row[name] for name in key)],
    )
    release = path.parents[1].resolve().name
    if not found:
        yield f"  released   not in {release}: of this kind nothing is published"
    elif found[0]["suppressed"]:
        yield f"  released   hidden in {release}: {found[0]['suppression_reason'] or 'not measured'}"
    else:
        one = found[0]
        gap = "no gap" if one["gap"] is None else f"gap {one['gap']:+.4f}"
        yield f"  released   in {release}: about {one['n']:,} students, rate {one['rate_band']}, {gap}"
