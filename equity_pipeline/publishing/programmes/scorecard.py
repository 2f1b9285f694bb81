"""Opportunity Accelerator: the four resources on one page, who has them, goals, and the commitments beside."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import charts, words
from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes import page as parts
from equity_pipeline.publishing.programmes import vocabulary
from equity_pipeline.publishing.programmes.climate import places
from equity_pipeline.publishing.programmes.page import HIDDEN, Answer, Block, Reader, Table, Tile
from equity_pipeline.publishing.programmes.protect import Released, Share
from equity_pipeline.publishing.programmes.vocabulary import RESOURCES, WINDOWS

KICKER = "Opportunity Accelerator"
TABLES = {
    "opportunity_scorecard": Released(
        ("partner_id", "school_year", "collection_window", "school_id", "resource", "metric_id", "dimension", "subgroup", "method",
         "instrument_version", "threshold_version", "goal_rate", "goal_due_on"),
        (Share("share", "seats", "met"),), means={"margin_points": "students"}, classes="classes", people="students",
    ),
    "scorecard_measures": Released(
        ("partner_id", "school_year", "resource", "instrument", "instrument_version", "threshold_version", "threshold_rule")
    ),
    "equity_commitments": Released(
        ("partner_id", "commitment_id", "kind", "statement", "made_on", "due_on", "owner_role", "status", "is_overdue")
    ),
}  # fmt: skip


def pages(reader: Reader) -> Iterator[Page]:
    """One page: the scorecard of the newest year, by group, by school, by window, and the commitments."""
    rows = [row for row in reader.rows("opportunity_scorecard") if not row["suppressed"]]
    if not rows:
        return
    say = reader.say
    latest = max(row["school_year"] for row in rows)
    district = [row for row in rows if row["school_id"] == "_all"]
    whole = [row for row in district if row["collection_window"] == "_all"]
    now = [row for row in whole if row["school_year"] == latest]
    before = _everyone([row for row in whole if row["school_year"] == latest - 1])
    resources = {code: say(name) for code, name in RESOURCES.items()}
    of_schools = [
        row for row in rows
        if row["school_id"] != "_all" and row["dimension"] == "all_students" and (row["school_year"], row["collection_window"]) == (latest, "_all")
    ]  # fmt: skip
    yield parts.page(
        "programmes/scorecard.html", say(KICKER), say("Opportunity scorecard"), _finding(reader, _everyone(now)),
        say("How often students had each of the four resources in {year}, and whether every group had them alike.", year=parts.year(latest)),
        [*_card(reader, _everyone(now), before, latest), *_commitments(reader), _groups(reader, now, latest),
         *places(reader, of_schools, "resource", resources, "share", latest), *_windows(reader, district, latest), *_bars(reader, latest),
         Block("print", say("To print and take along"), points=[Markup('<a href="scorecard_sheet.html">{}</a>').format(say("The scorecard on one page"))])],
        _answers(reader, now),
    )  # fmt: skip
    yield parts.page(
        "programmes/scorecard_sheet.html", say(KICKER), say("The scorecard on one page"), _finding(reader, _everyone(now)), "",
        [*_card(reader, _everyone(now), before, latest), _lines(reader, now, latest), *_commitments(reader)], paper="one",
    )  # fmt: skip


def _everyone(rows: list[Row]) -> dict[str, Row]:
    """Resource → its row of all students, in the order of the card."""
    of = {row["resource"]: row for row in rows if row["dimension"] == "all_students"}
    return {resource: of[resource] for resource in RESOURCES if resource in of}


def _finding(reader: Reader, card: dict[str, Row]) -> str:
    shares = {
        resource: share for resource, row in card.items() if (share := parts.middle(row, "share")) is not None
    }
    if not shares:
        return reader.say("Too few classes were rated to say how often students had each resource")
    least = min(shares, key=shares.__getitem__)
    return reader.say("{resource} is what students had least often: in {share} of seats", resource=reader.say(RESOURCES[least]),
                      share=reader.share(card[least], "share"))  # fmt: skip


def _answers(reader: Reader, now: list[Row]) -> Iterator[Answer]:
    say, card = reader.say, _everyone(now)
    with_goal = [row for row in card.values() if row["goal_rate"] is not None]
    if with_goal:
        reached = sum(_progress(row) is vocabulary.GOALS["reached"] for row in with_goal)
        due = min(row["goal_due_on"] for row in with_goal)
        yield Answer("#card", say("Are goals reached?"), say("{reached} of {n} goals reached", reached=str(reached), n=len(with_goal)),
                     say("next due {day}", day=say.date(due)))  # fmt: skip
    if widest := _widest(now):
        group, everyone = widest
        yield Answer("#groups", say("Does every group have them alike?"), say("Not {resource}", resource=say(RESOURCES[group["resource"]])),
                     say("{group} {share}, all students {all}", group=reader.group(group), share=reader.share(group, "share"),
                         all=reader.share(everyone, "share")))  # fmt: skip
    elif card:
        yield Answer(
            "#groups",
            say("Does every group have them alike?"),
            say("No difference can be told"),
            say("beyond the margin of each"),
        )
    cycles = reader.rows("scorecard_cycles")
    if cycles:
        yield Answer("cycles.html", say("What is being tried?"), say("{n} cycles of inquiry", n=len(cycles)),
                     say("{n} not decided yet", n=sum(cycle["decision"] is None for cycle in cycles)))  # fmt: skip
    promised = [row for row in reader.rows("equity_commitments") if row["kind"] == "commitment"]
    if promised:
        late, kept = (
            sum(bool(row["is_overdue"]) for row in promised),
            sum(row["status"] == "kept" for row in promised),
        )
        yield Answer("#commitments", say("What was promised?"), say("{n} commitments", n=len(promised)),
                     say("{kept} kept, {late} overdue", kept=str(kept), late=str(late)))  # fmt: skip


def _widest(now: list[Row]) -> tuple[Row, Row] | None:
    """The group that a resource reaches least compared with all students, where the margins of both leave room for no other reading."""
    card = _everyone(now)
    behind = []
    for row in now:
        everyone = card.get(row["resource"])
        if (
            row["subgroup"] in ("all", "unknown")
            or everyone is None
            or row["margin_points"] is None
            or everyone["margin_points"] is None
        ):
            continue
        short = everyone["share_low"] - row["share_high"]
        if 100 * short > row["margin_points"] + everyone["margin_points"]:
            behind.append((-short, row["dimension"], row["subgroup"], row["resource"], row, everyone))
    return min(behind, key=lambda found: found[:4])[4:] if behind else None


def _card(reader: Reader, card: dict[str, Row], before: dict[str, Row], latest: int) -> list[Block]:
    say, tiles = reader.say, []
    for resource, row in card.items():
        lines = []
        if row["goal_rate"] is not None:
            lines.append(
                say(
                    "Goal: {rate} by {day}",
                    rate=words.percent(row["goal_rate"]),
                    day=say.date(row["goal_due_on"]),
                )
            )
        if resource in before:
            lines.append(
                say(
                    "{year}: {share}",
                    year=parts.year(latest - 1),
                    share=reader.share(before[resource], "share"),
                )
            )
        lines.append(say("{n} classes rated", n=row["classes"]))
        margin = (
            ""
            if row["margin_points"] is None
            else say("± {points} points", points=f"{row['margin_points']:.0f}")
        )
        tiles.append(Tile(say(RESOURCES[resource]), reader.share(row, "share"), margin,
                          charts.meter(row["share_low"], row["share_high"], row["goal_rate"], "share"), _progress(row), lines))  # fmt: skip
    how = say(
        "Of the seats that students have in rated classes, the share that met the bar of the resource. A class counts for a group as often "
        "as students of the group sit in it; deep engagement is what students said themselves. The margin is of a 95% interval that takes "
        "classes, not students, as drawn. Nothing is said about fewer than five classes. The upright line is the goal."
    )  # fmt: skip
    return (
        [Block("card", say("The scorecard, {year}", year=parts.year(latest)), [how], tiles=tiles)]
        if tiles
        else []
    )


def _progress(row: Row) -> vocabulary.Step | None:
    """Where the band stands against the goal; a band across the goal says neither."""
    if row["goal_rate"] is None:
        return None
    if row["share_low"] >= row["goal_rate"]:
        return vocabulary.GOALS["reached"]
    return vocabulary.GOALS["ahead" if row["share_high"] < row["goal_rate"] else "near"]


def _groups(reader: Reader, now: list[Row], latest: int) -> Block:
    at = {(r["dimension"], r["subgroup"], r["resource"]): r for r in now}
    groups = {key[:2]: row for key, row in at.items()}
    lines = reader.by_dimension(groups.values(), lambda of: [
        reader.group(of), *(reader.bar(at.get((of["dimension"], of["subgroup"], resource)), "share") for resource in RESOURCES)
    ])  # fmt: skip
    return Block("groups", reader.say("Does every group have them alike?"),
                 table=Table(reader.say("Share of seats by group, {year}", year=parts.year(latest)),
                             [reader.say("Group"), *map(reader.say, RESOURCES.values())], lines, frozenset({1, 2, 3, 4})))  # fmt: skip


def _lines(reader: Reader, now: list[Row], latest: int) -> Block:
    """The table of the one page: a line a group, each share with its margin in points."""
    at = {(r["dimension"], r["subgroup"], r["resource"]): r for r in now}
    groups = {key[:2]: row for key, row in at.items()}
    lines = reader.by_dimension(groups.values(), lambda of: [
        reader.group(of), *(_with_margin(reader, at.get((of["dimension"], of["subgroup"], resource))) for resource in RESOURCES)
    ])  # fmt: skip
    return Block("groups", reader.say("Does every group have them alike?"),
                 table=Table(reader.say("Share of seats by group with its margin in points, {year}", year=parts.year(latest)),
                             [reader.say("Group"), *map(reader.say, RESOURCES.values())], lines, frozenset({1, 2, 3, 4})))  # fmt: skip


def _with_margin(reader: Reader, row: Row | None) -> str:
    share = reader.share(row, "share")
    return share if row is None or row["margin_points"] is None else f"{share} ± {row['margin_points']:.0f}"


def _windows(reader: Reader, district: list[Row], latest: int) -> list[Block]:
    of = [
        r
        for r in district
        if r["school_year"] == latest
        and r["dimension"] == "all_students"
        and r["collection_window"] != "_all"
    ]
    at = {(r["collection_window"], r["resource"]): r for r in of}
    windows = sorted(
        {r["collection_window"] for r in of}, key=lambda w: (list(WINDOWS).index(w) if w in WINDOWS else 9, w)
    )
    if len(windows) < 2:
        return []
    return [Block("windows", reader.say("By window"),
                  table=Table(reader.say("All students by window, {year}", year=parts.year(latest)), [reader.say("Window"), *map(reader.say, RESOURCES.values())],
                              [[reader.say(WINDOWS.get(w, words.said(w))), *(reader.bar(at.get((w, r)), "share") for r in RESOURCES)] for w in windows],
                              frozenset({1, 2, 3, 4})))]  # fmt: skip


def _bars(reader: Reader, latest: int) -> list[Block]:
    """What each resource is measured with, and the bar that a rating must reach; ratings without one are said not to count."""
    say = reader.say
    lines = [
        [say(RESOURCES[row["resource"]]), parts.under(words.said(row["instrument"]), say("version {version}", version=row["instrument_version"]) if row["instrument_version"] else ""),
         parts.under(row["threshold_rule"], say("version {version}", version=row["threshold_version"])) if row["threshold_rule"]
         else say("Not counted: no bar is set for this instrument and its scale.")]
        for row in sorted(reader.rows("scorecard_measures"), key=lambda r: (list(RESOURCES).index(r["resource"]), r["instrument"]))
        if row["school_year"] == latest
    ]  # fmt: skip
    return [Block("bars", say("How each resource is measured"),
                  table=Table(say("Instruments and bars"), [say("Resource"), say("Instrument"), say("The bar")], lines))] if lines else []  # fmt: skip


def _commitments(reader: Reader) -> list[Block]:
    say, rows = reader.say, reader.rows("equity_commitments")
    if not rows:
        return []
    statements = [
        (row["statement"], ", ".join(filter(None, (row["owner_role"], say.date(row["made_on"])))))
        for row in rows if row["kind"] == "equity_statement"
    ]  # fmt: skip
    lines = [
        [row["statement"], row["owner_role"] or HIDDEN, say.date(row["made_on"]), say.date(row["due_on"]), _standing(reader, row)]
        for row in rows if row["kind"] == "commitment"
    ]  # fmt: skip
    table = Table(
        say("Commitments"), [say("Commitment"), say("Owner"), say("Made on"), say("By"), say("Status")], lines
    )
    return [Block("commitments", say("What was promised"), quotes=statements, table=table if lines else None)]


def _standing(reader: Reader, row: Row) -> object:
    if row["is_overdue"]:
        return reader.status(vocabulary.OVERDUE)
    return reader.status(vocabulary.COMMITMENTS[row["status"]]) if row["status"] else ""
