"""Opportunity Accelerator: the four resources on one page, who has them, goals, and the commitments beside."""

from __future__ import annotations

from collections.abc import Iterator

from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes.page import (
    HIDDEN,
    Block,
    Reader,
    Table,
    date,
    page,
    people,
    share,
    year,
)
from equity_pipeline.publishing.programmes.protect import Released, Share

KICKER = "Opportunity Accelerator"
TABLES = {
    "opportunity_scorecard": Released(
        ("partner_id", "school_year", "collection_window", "school_id", "resource", "metric_id", "dimension", "subgroup", "method",
         "instrument_version", "threshold_version", "goal_rate", "goal_due_on"),
        (Share("share", "seats", "met"),), means={"margin_points": "students"}, classes="classes", people="students",
    ),
    "equity_commitments": Released(
        ("partner_id", "commitment_id", "kind", "statement", "made_on", "due_on", "owner_role", "status", "is_overdue")
    ),
}  # fmt: skip
RESOURCES = {
    "assignments": "Grade-appropriate assignments", "instruction": "Strong instruction", "engagement": "Deep engagement",
    "expectations": "High expectations",
}  # fmt: skip
WINDOWS = {"fall": "Fall", "spring": "Spring", "winter": "Winter", "year": "Year"}
STATUS = {"planned": "Planned", "in_progress": "In progress", "kept": "Kept", "dropped": "Dropped", None: ""}
_HOW = (
    "Of the seats that students of a group have in rated classes, the share that met the bar of the resource. A class counts for a "
    "group as often as students of the group sit in it; deep engagement is what students said themselves. The margin is of a 95% "
    "interval that takes classes, not students, as drawn. Nothing is said about fewer than five classes."
)


def pages(reader: Reader) -> Iterator[Page]:
    """One page: the scorecard of the newest year, by group, by school, by window, and the commitments."""
    rows = [row for row in reader.rows("opportunity_scorecard") if not row["suppressed"]]
    if not rows:
        return
    latest = max(row["school_year"] for row in rows)
    district = [row for row in rows if row["school_id"] == "_all"]
    now = [row for row in district if row["school_year"] == latest and row["collection_window"] == "_all"]
    yield page(
        "programmes/scorecard.html", KICKER, "Opportunity scorecard",
        f"How often students had each of the four resources in {year(latest)}, and whether every group had them alike.",
        [_card(district, now, latest), _groups(reader, now, latest), _places(reader, rows, latest), _windows(district, latest),
         *_commitments(reader)],
    )  # fmt: skip


def _everyone(rows: list[dict]) -> dict[str, dict]:
    return {row["resource"]: row for row in rows if row["dimension"] == "all_students"}


def _card(district: list[dict], now: list[dict], latest: int) -> Block:
    before = _everyone(
        [r for r in district if r["school_year"] == latest - 1 and r["collection_window"] == "_all"]
    )
    lines = [
        [RESOURCES[resource], share(row, "share"), f"± {row['margin_points']:.0f}", share(before[resource], "share") if resource in before else "",
         "" if row["goal_rate"] is None else f"{row['goal_rate']:.0%} by {date(row['goal_due_on'])}", _progress(row), people(row["classes"])]
        for resource, row in sorted(_everyone(now).items(), key=lambda item: list(RESOURCES).index(item[0]))
    ]  # fmt: skip
    return Block(
        "card", "The scorecard", [_HOW],
        Table(f"All students, {year(latest)}", ["Resource", "Share of seats", "Margin", "Year before", "Goal", "Progress", "Classes"], lines,
              frozenset({1, 2, 3, 6})),
    )  # fmt: skip


def _progress(row: dict) -> str:
    """Where the band stands against the goal; a band across the goal says neither."""
    if row["goal_rate"] is None:
        return ""
    if row["share_low"] >= row["goal_rate"]:
        return "reached"
    return "not yet" if row["share_high"] < row["goal_rate"] else "about there"


def _groups(reader: Reader, now: list[dict], latest: int) -> Block:
    groups = list(dict.fromkeys((r["dimension"], r["subgroup"]) for r in now if r["subgroup"] != "unknown"))
    at = {(r["dimension"], r["subgroup"], r["resource"]): r for r in now}
    lines = [
        [reader.group({"dimension": d, "subgroup": s}),
         *(share(at[d, s, resource], "share") if (d, s, resource) in at else HIDDEN for resource in RESOURCES)]
        for d, s in groups
    ]  # fmt: skip
    return Block("groups", "Does every group have them alike?", [],
                 Table(f"Share of seats by group, {year(latest)}", ["Group", *RESOURCES.values()], lines, frozenset({1, 2, 3, 4})))  # fmt: skip


def _places(reader: Reader, rows: list[dict], latest: int) -> Block:
    of = [
        r for r in rows
        if r["school_year"] == latest and r["collection_window"] == "_all" and r["dimension"] == "all_students" and r["school_id"] != "_all"
    ]  # fmt: skip
    at = {(r["school_id"], r["resource"]): share(r, "share") for r in of}
    schools = sorted({r["school_id"] for r in of}, key=reader.place)
    return Block("schools", "By school", [],
                 Table(f"All students, {year(latest)}", ["School", *RESOURCES.values()],
                       [[reader.place(s), *(at.get((s, r), HIDDEN) for r in RESOURCES)] for s in schools], frozenset({1, 2, 3, 4})))  # fmt: skip


def _windows(district: list[dict], latest: int) -> Block:
    of = [
        r
        for r in district
        if r["school_year"] == latest
        and r["dimension"] == "all_students"
        and r["collection_window"] != "_all"
    ]
    at = {(r["collection_window"], r["resource"]): share(r, "share") for r in of}
    windows = sorted(
        {r["collection_window"] for r in of}, key=lambda w: (list(WINDOWS).index(w) if w in WINDOWS else 9, w)
    )
    return Block("windows", "By window", [],
                 Table(f"All students, {year(latest)}", ["Window", *RESOURCES.values()],
                       [[WINDOWS.get(w, w), *(at.get((w, r), HIDDEN) for r in RESOURCES)] for w in windows], frozenset({1, 2, 3, 4})))  # fmt: skip


def _commitments(reader: Reader) -> list[Block]:
    rows = reader.rows("equity_commitments")
    statements = [
        f"“{row['statement']}” {row['owner_role']}, {date(row['made_on'])}"
        for row in rows
        if row["kind"] == "equity_statement"
    ]
    lines = [
        [row["statement"], row["owner_role"], date(row["made_on"]), date(row["due_on"]), "Overdue" if row["is_overdue"] else STATUS[row["status"]]]
        for row in rows if row["kind"] == "commitment"
    ]  # fmt: skip
    if not rows:
        return []
    return [Block("commitments", "What was promised", statements,
                  Table("Commitments", ["Commitment", "Owner", "Made on", "By", "Status"], lines))]  # fmt: skip
