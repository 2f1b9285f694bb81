"""Where one number comes from: its counts, its rules, their versions, and the deliveries it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb

from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import EquityError
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
        yield from _deliveries(warehouse, row["school_year"])


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
        known = [
            m for (m,) in warehouse.execute("select metric_id from policy.metrics order by 1").fetchall()
        ]
        raise EquityError(
            f"no number for {metric}, {subgroup}, school {school_id}, reference {reference}; "
            f"metrics are {', '.join(known)}"
        )
    newest = [row for row in rows if row["school_year"] == rows[0]["school_year"]]
    if len(newest) > 1:
        raise EquityError(
            f"several dimensions have {subgroup}: add --dimension with one of "
            + ", ".join(row["dimension"] for row in newest)
        )
    return newest[0]


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


def _deliveries(warehouse: duckdb.DuckDBPyConnection, school_year: int) -> Iterator[str]:
    yield "  deliveries"
    for row in _query(
        warehouse,
        "select extract, delivery_id, as_of from raw.deliveries where school_year = ? order by 1, 2",
        [school_year],
    ):
        yield f"    {row['extract']:<20} {row['delivery_id']}" + (
            f" as of {row['as_of']}" if row["as_of"] else ""
        )
