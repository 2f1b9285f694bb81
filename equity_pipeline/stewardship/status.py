"""What a home holds of each partner: delivered, loaded, built, published, overdue."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

from equity_pipeline.domain import school_years
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.home import Home


@dataclass(frozen=True)
class Status:
    """One partner × school year × extract. `deliveries` counts the files that hold it, `held` those that were held back;
    `overdue`: it is expected, its due day has passed, and no row of it has been loaded. `release`: the partner's newest one.
    """

    partner_id: str
    school_year: int
    extract: str
    deliveries: int
    held: int
    rows_in: int
    loaded: int
    rejected: int
    duplicates: int
    conflicts: int
    built: bool
    release: str | None
    overdue: bool

    def as_dict(self) -> dict[str, object]:
        """Its fields by name."""
        return asdict(self)


def latest_release(home: Home, partner_id: str) -> str | None:
    """Id of the partner's newest release."""
    link = home.releases(partner_id) / "latest"
    return link.resolve().name if link.exists() else None


def not_taken(home: Home, partner: Partner) -> list[str]:
    """What a person is told of each delivered file that brings nothing: held back, refused or unclaimed."""
    return [one["message"] for one in Ledger(home).deliveries(partner.partner_id) if one["message"]]


def status(home: Home, partner: Partner, today: dt.date) -> list[Status]:
    """All extracts × school years of a partner that were delivered or are overdue, in order."""
    counted = {
        (row["school_year"], row["extract"]): row
        for row in Ledger(home).summary(partner.partner_id)
        if row["rows_in"]
        or row["school_year"]  # year 0 with no row only says that records were rightly skipped
    }
    missing = {
        (year, extract)
        for extract, due in partner.expected.items()
        for year in range(partner.first_school_year, school_years.of_date(today) + 1)
        if today > school_years.due_date(year, due) and not counted.get((year, extract), {}).get("loaded")
    }
    built = home.warehouse(partner.partner_id).exists()
    release = latest_release(home, partner.partner_id)
    return [
        Status(
            partner.partner_id,
            year,
            extract,
            **{
                name: counted.get((year, extract), {}).get(name, 0)
                for name in ("deliveries", "held", "rows_in", "loaded", "rejected", "duplicates", "conflicts")
            },
            built=built,
            release=release,
            overdue=(year, extract) in missing,
        )
        for year, extract in sorted(counted.keys() | missing)
    ]
