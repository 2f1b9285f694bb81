"""Where a release reads from: the partner's finished warehouse, read-only, and the accounts of what was delivered."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import duckdb
import pandas as pd
import yaml

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.domain.rows import Row
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.pseudonyms import Pseudonyms
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import programmes
from equity_pipeline.publishing.context import QUALITY_COLUMNS, REJECTION_COLUMNS, Context, Labels
from equity_pipeline.publishing.contracts import MARTS
from equity_pipeline.storage import keys, sealed
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import project

# Values made of counts of other rows, hidden ones among them: a family's p-values, a partner's schools.
_STAYS = ["p_value_adjusted", "within_school_gap", "between_school_gap", "availability_gap", "assignment_gap"]
# One row a group, for its counts: single grades are never published, and the comparison, like every other mart, is worked out
# again from what is.
_ROWS = {"gap_metrics": "grade_level = '_all' and reference = 'overall'"}
_SEEDS = ("metrics", "dimensions", "subgroups", "policy")


def read(home: Home, partner: Partner) -> tuple[dict[str, pd.DataFrame], Context]:
    """What a release needs of the marts (restricted, not suppressed), and what else it states.

    Of `gap_metrics` the row of each group with the comparison to all students, which has its counts; of the other marts
    the columns.

    Raises:
        EquityError: the partner has no warehouse yet.
    """
    warehouse = home.warehouse(partner.partner_id)
    if not warehouse.is_file():
        raise EquityError(f"{partner.partner_id} has no warehouse yet; run the partner first")
    with duckdb.connect(str(warehouse), read_only=True, config={"threads": 1}) as con:
        marts = {
            mart: con.execute(
                f"select * from marts.{mart} where {_ROWS.get(mart, 'false')} "
                "and metric_id in (select metric_id from policy.metrics where publish = 'yes') "
                "order by all"  # what is hidden must not depend on the order in which threads wrote the rows
            ).df().drop(columns=_STAYS, errors="ignore")
            for mart in MARTS
        }  # fmt: skip
        seeds = {seed: con.execute(f"select * from policy.{seed} order by all").df() for seed in _SEEDS}
        of_programmes = programmes.read(con, partner.privacy.minimum_cell, seeds["policy"])
        names = con.execute(
            "select school_id, max_by(school_name, school_year) from marts.access where school_id <> '_all' "
            "and school_name is not null group by 1 order by 1"
        ).fetchall()
    ledger = Ledger(home)
    refused, superseded = account(home, partner.partner_id)
    context = Context(
        labels=Labels(**seeds),
        schools=dict(names),
        deliveries=_deliveries(home, ledger, partner.partner_id),
        quality=pd.DataFrame(ledger.summary(partner.partner_id), columns=["partner_id", *QUALITY_COLUMNS])[
            QUALITY_COLUMNS
        ],
        rejections=_rejections(home, partner.partner_id),
        refused=refused,
        superseded=superseded,
        as_of=max(
            (
                dt.date.fromisoformat(d["as_of"][:10])
                for d in ledger.deliveries(partner.partner_id)
                if d["as_of"]
            ),
            default=None,
        ),
        dictionary=descriptions(),
        programmes=of_programmes,
        minimum_cell=partner.privacy.minimum_cell,
    )
    return marts, context


def account(home: Home, partner_id: str) -> tuple[list[Row], list[Row]]:
    """The files of which no number is made, and which a release tells of: refused or not claimed, and replaced."""
    ledger = Ledger(home)
    return _refused(ledger, partner_id), _files(
        ledger, partner_id, "superseded", ["file", "extract", "school_year"]
    )


@functools.cache
def descriptions() -> dict[str, dict[str, str]]:
    """Mart → column → description, and under the empty name the mart's own; as the models state them."""
    said = {}
    for file in sorted((project.FOLDER / "models" / "marts").rglob("*.yml")):
        # safe_load is this loader in Python, ten times slower.
        for model in yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader).get("models", []):
            columns = {column["name"]: column.get("description", "") for column in model.get("columns", [])}
            said[model["name"]] = columns | {
                "": model.get("description", "").removesuffix(" Restricted, not suppressed.")
            }
    return said


def _deliveries(home: Home, ledger: Ledger, partner_id: str) -> list[Row]:
    """The deliveries that stand in the extracts now. No order of arrival: the same files give the same release.

    An id is the hash of the file, so whoever knows all of it but a number could try that out: here it is a pseudonym.
    """
    found = _files(ledger, partner_id, "loaded", ["delivery_id", "file", "extract", "school_year"])
    named = Pseudonyms(keys.key(home, partner_id))
    return [delivery | {"delivery_id": named.person(delivery["delivery_id"])} for delivery in found]


def _files(ledger: Ledger, partner_id: str, status: str, columns: list[str]) -> list[Row]:
    found = [{c: load[c] for c in columns} for load in ledger.loads(partner_id) if load["status"] == status]
    return sorted(
        found, key=lambda f: (f["school_year"], f["extract"], f["file"], *(str(f[c]) for c in columns))
    )


def _refused(ledger: Ledger, partner_id: str) -> list[Row]:
    """Files that were refused or that no source of the partner file claims."""
    return sorted(
        (
            {"file": d["file"], "message": d["message"] or "no source of the partner file claims it"}
            for d in ledger.deliveries(partner_id)
            if d["status"] != "accepted"
        ),
        key=lambda d: (d["file"], d["message"]),
    )


def _rejections(home: Home, partner_id: str) -> pd.DataFrame:
    """Rejected rows by extract, school year and reason; no other column of the quarantine is read."""
    parts = [
        pd.read_parquet(sealed.opened(file), columns=["_reason"]).assign(
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
