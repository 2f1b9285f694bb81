"""Where a release reads from: the partner's finished warehouse, read-only, and the accounts of what was delivered."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing.context import QUALITY_COLUMNS, REJECTION_COLUMNS, Context, Labels
from equity_pipeline.publishing.contracts import MARTS
from equity_pipeline.storage.home import Home

# Values made of counts of other rows, hidden ones among them: a family's p-values, a partner's schools.
_STAYS = ["p_value_adjusted", "within_school_gap", "between_school_gap", "availability_gap", "assignment_gap"]
_SEEDS = ("metrics", "dimensions", "subgroups", "policy")


def read(home: Home, partner: Partner) -> tuple[dict[str, pd.DataFrame], Context]:
    """The marts as the warehouse holds them (restricted, not suppressed) and what else a release states.

    Raises:
        EquityError: the partner has no warehouse yet.
    """
    warehouse = home.warehouse(partner.partner_id)
    if not warehouse.is_file():
        raise EquityError(f"{partner.partner_id} has no warehouse yet; run the partner first")
    with duckdb.connect(str(warehouse), read_only=True) as con:
        marts = {
            mart: con.execute(
                f"select * from marts.{mart} where metric_id in (select metric_id from policy.metrics where publish = 'yes')"
            ).df().drop(columns=_STAYS, errors="ignore")
            for mart in MARTS
        }  # fmt: skip
        seeds = {seed: con.execute(f"select * from policy.{seed} order by all").df() for seed in _SEEDS}
        names = con.execute(
            "select school_id, max_by(school_name, school_year) from marts.access where school_id <> '_all' "
            "and school_name is not null group by 1 order by 1"
        ).fetchall()
    ledger = Ledger(home)
    context = Context(
        labels=Labels(**seeds),
        schools=dict(names),
        deliveries=_deliveries(ledger, partner.partner_id),
        quality=pd.DataFrame(ledger.summary(partner.partner_id), columns=["partner_id", *QUALITY_COLUMNS])[
            QUALITY_COLUMNS
        ],
        rejections=_rejections(home, partner.partner_id),
    )
    return marts, context


def _deliveries(ledger: Ledger, partner_id: str) -> list[dict[str, object]]:
    """The deliveries that stand in the extracts now. No order of arrival: the same files give the same release."""
    return sorted(
        (
            {
                "delivery_id": load["delivery_id"],
                "file": load["file"],
                "extract": load["extract"],
                "school_year": load["school_year"],
            }
            for load in ledger.loads(partner_id)
            if load["status"] == "loaded"
        ),
        key=lambda d: (d["school_year"], d["extract"], d["file"], d["delivery_id"]),
    )


def _rejections(home: Home, partner_id: str) -> pd.DataFrame:
    """Rejected rows by extract, school year and reason; no other column of the quarantine is read."""
    parts = [
        pd.read_parquet(file, columns=["_reason"]).assign(
            extract=file.parents[2].name, school_year=_school_year(file.parent)
        )
        for file in sorted(
            (home.root / "quarantine").glob(f"*/partner_id={partner_id}/school_year=*/*.parquet")
        )
    ]
    if not parts:
        return pd.DataFrame(columns=REJECTION_COLUMNS)
    rows = pd.concat(parts).rename(columns={"_reason": "reason"})
    return (
        rows.groupby(["school_year", "extract", "reason"])
        .size()
        .rename("rows")
        .reset_index()[REJECTION_COLUMNS]
    )


def _school_year(folder: Path) -> int:
    return int(folder.name.removeprefix("school_year="))
