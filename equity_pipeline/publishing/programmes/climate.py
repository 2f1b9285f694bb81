"""Equity Communities of Practice: climate and discipline by group, focus areas, cycles of inquiry, and the packs."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from equity_pipeline.domain import intervals
from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import charts, words
from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes import page as parts
from equity_pipeline.publishing.programmes import vocabulary
from equity_pipeline.publishing.programmes.needs import climate_surveys
from equity_pipeline.publishing.programmes.page import HIDDEN, Answer, Block, Reader, Table
from equity_pipeline.publishing.programmes.protect import Released, Share, ratio

KICKER = "Equity Communities of Practice"
_CELL = ("partner_id", "school_year", "school_id", "metric_id", "dimension", "subgroup")
TABLES = {
    # What the state publishes rests on nobody's record of the district.
    "climate": Released((*_CELL, "state_rate"), (Share("rate", "n", "successes"), Share("reference_rate", "reference_n", "reference_successes", "rest"))),
    "discipline_incidents": Released(
        ("partner_id", "school_year", "school_id", "action", "dimension", "subgroup"),
        (Share("students_rate", "students_enrolled", "students"),),
        tens={"incidents": "students", "days": "students"},
    ),
    "focus_areas": Released(
        ("partner_id", "school_year", "school_id", "evidence_rank", "focus_area", "measured_gaps", "clear_gaps", "metric_id",
         "dimension", "subgroup"),
        (Share("rate", "n", "successes"), Share("reference_rate", "reference_n", "reference_successes", "designated")),
    ),
}  # fmt: skip

# A pack goes to people who know each other: a group must be so many times the smallest that is shown elsewhere.
PACK_STRICTER = 2
PACKS = {
    "students": ("A pack for the affinity group of students", ("suspended_any", "referred", "chronically_absent")),
    "staff": ("A pack for the affinity group of staff", ("referred", "suspended_iss", "suspended_oss", "chronically_absent")),
    "parents": ("A pack for the affinity group of parents and families", ("suspended_any", "expelled", "chronically_absent")),
}  # fmt: skip
# A count below it makes a risk ratio say little (34 CFR 300.647); judged by what is published alone.
_RISK_CELL = 10


def pages(reader: Reader) -> Iterator[Page]:
    """The climate page; a pack for each affinity group, where the district is in a community of practice."""
    district, latest = district_now(reader)
    if not district:
        return
    say = reader.say
    packs = (
        PACKS if any(p.program == "equity_communities_of_practice" for p in reader.partner.programs) else {}
    )
    yield parts.page(
        "programmes/climate.html", say(KICKER), say("Climate and discipline"), finding(reader, district),
        say("What happened to students in {year}, group by group, and how it compares with everyone else.", year=parts.year(latest)),
        [*ranked(reader, latest), *_widest_open(reader, district, latest), *_folded(_incidents(reader, latest)), *_folded(climate_surveys(reader)),
         *_folded(_by_school(reader, latest)), *_to_print(reader, packs)],
        _answers(reader, district, latest),
    )  # fmt: skip
    for name, (title, metrics) in packs.items():
        kept = [
            row for row in district if row["metric_id"] in metrics and _large_enough(row, reader.context.minimum_cell)
        ]  # fmt: skip
        yield parts.page(
            f"programmes/pack_{name}.html", say(KICKER), say(title), say("What do you notice? What do you wonder?"),
            say("Read each table first by yourself, then with a neighbor. Groups of few students are left out."),
            [_how_to(reader), *by_group(reader, kept, latest), *climate_surveys(reader, PACK_STRICTER * reader.context.minimum_cell),
             Block("notes", say("What we notice, what we wonder, what we want to ask"), write=12)],
            paper="sheet",
        )  # fmt: skip


def district_now(reader: Reader) -> tuple[list[Row], int]:
    """The district's rows of the newest year in which a group may be shown, the measure with the widest comparison first; and that year."""
    rows = reader.rows("climate")
    latest = max((row["school_year"] for row in rows if row["n"] is not None), default=0)
    return _widest_first(
        [row for row in rows if row["school_year"] == latest and row["school_id"] == "_all"]
    ), latest


def _how_to(reader: Reader) -> Block:
    """The cover of a pack: how a group goes through it in an hour."""
    say = reader.say
    return Block("how", say("An hour with this pack"), points=[
        say("Ten minutes: read in silence. Mark what surprises you. A group that is not shown is too small to be shown; it is not forgotten."),
        say("Fifteen minutes: what do you notice? Say only what stands in the tables."),
        say("Fifteen minutes: what do you wonder? Ask what schools do that could make it so, not what is wrong with students."),
        say("Ten minutes: choose one area to work on: {areas}.", areas=say.listed([say(area).lower() for area in vocabulary.AREAS.values()])),
        say("Ten minutes: write the question of a cycle of inquiry, and by which number you will know that it worked."),
    ])  # fmt: skip


def _to_print(reader: Reader, packs: dict[str, Any]) -> list[Block]:
    """Where the packs lie."""
    link = Markup('<a href="{}">{}</a>')
    points = [link.format(f"pack_{name}.html", reader.say(title)) for name, (title, _) in packs.items()]
    if points and reader.rows("cycles_of_inquiry"):
        points.append(link.format("presentation.html", reader.say("For the leadership team")))
    return [Block("packs", reader.say("To print and take along"), points=points)] if points else []


def _large_enough(row: Row, minimum_cell: int) -> bool:
    return row["n"] is not None and row["n"] >= PACK_STRICTER * minimum_cell


def _distance(row: Row) -> float:
    """How far a group's rate lies above that of everyone else, by the middles of what is released (Cohen's h)."""
    return intervals.cohens_h(parts.released_middle(row), parts.released_middle(row, "reference_rate"))


def _more_often(rows: list[Row]) -> list[Row]:
    """The comparisons in which something clearly happened more often to a group, the widest first."""
    found = [row for row in rows if row["subgroup"] != "unknown" and parts.clearly(row) == "more"]
    return sorted(
        found, key=lambda row: (-_distance(row), row["metric_id"], row["dimension"], row["subgroup"])
    )


def _widest_first(rows: list[Row]) -> list[Row]:
    """The rows of the measures in the order of their widest comparison."""
    order = {
        metric: place
        for place, metric in enumerate(dict.fromkeys(row["metric_id"] for row in _more_often(rows)))
    }
    return sorted(rows, key=lambda row: order.get(row["metric_id"], len(order)))  # fmt: skip


def finding(reader: Reader, district: list[Row]) -> str:
    """The comparison in which something clearly happened more often to a group, the widest of them."""
    widest = next(iter(_more_often(district)), None)
    if widest is None:
        return reader.say("No clear difference between groups can be told")
    return reader.say(
        "{measure}: {group} {rate}, everyone else {other}", measure=reader.metric(widest["metric_id"]), group=reader.group(widest),
        rate=reader.share(widest), other=reader.share(widest, "reference_rate"),
    )  # fmt: skip


def _answers(reader: Reader, district: list[Row], latest: int) -> Iterator[Answer]:
    say, cycles = reader.say, reader.rows("cycles_of_inquiry")
    if areas := _areas(reader, latest):
        first = areas[0]
        yield Answer("#focus", say("Where does the evidence point?"), say(vocabulary.AREAS[first["focus_area"]]),
                     say("{clear} of {all} gaps are clear", clear=str(first["clear_gaps"]), all=str(first["measured_gaps"])))  # fmt: skip
    more = _more_often(district)
    if more:
        yield Answer(
            f"#{more[0]['metric_id']}", say("What happens more often to some?"), reader.metric(more[0]["metric_id"]),
            say.listed(list(dict.fromkeys(reader.group(row) for row in more if row["metric_id"] == more[0]["metric_id"])), 3),
        )  # fmt: skip
    if cycles:
        running = sum(cycle["decision"] is None for cycle in cycles)
        yield Answer("cycles.html", say("What is being tried?"), say("{n} cycles of inquiry", n=len(cycles)),
                     say("{n} not decided yet", n=running))  # fmt: skip
    compared = [row for row in district if row["subgroup"] not in ("unknown", "all")]
    told = sum(parts.clearly(row) is not None for row in compared)
    yield Answer("../methods.html#privacy", say("What is not known?"),
                 say("{hidden} of {n} comparisons", hidden=str(len(compared) - told), n=len(compared)), say("not shown: privacy"))  # fmt: skip


def _areas(reader: Reader, latest: int) -> list[Row]:
    rows = [r for r in reader.rows("focus_areas") if r["school_year"] == latest and r["school_id"] == "_all"]
    return sorted(rows, key=lambda row: row["evidence_rank"])


def ranked(reader: Reader, latest: int) -> list[Block]:
    """The focus areas, strongest evidence first."""
    say, rows = reader.say, _areas(reader, latest)
    if not rows:
        return []
    lines = []
    for row in rows:
        line = [f"{row['evidence_rank']}. {say(vocabulary.AREAS[row['focus_area']])}",
                say("{clear} of {all}", clear=str(row["clear_gaps"]), all=str(row["measured_gaps"]))]  # fmt: skip
        if not row["metric_id"]:
            line += [say("no clear gap"), "", "", "", ""]
        elif row["n"] is None or row["reference_rate_low"] is None:
            line += [reader.metric(row["metric_id"]), reader.group(row), "", HIDDEN, HIDDEN]
        else:
            line += [reader.metric(row["metric_id"]), reader.group(row), _picture(row, 1.0), reader.share(row), reader.share(row, "reference_rate")]  # fmt: skip
        lines.append(line)
    return [Block(
        "focus", say("Where the evidence points"),
        [say("Areas in the order of their widest clear gap, by Cohen’s h, which puts rates of any height on one scale. A gap is clear "
             "when both groups are large enough, schools serve the group at the worse rate and the 95% interval leaves out zero.")],
        table=Table(say("Focus areas, strongest evidence first"),
                    [say("Area"), say("Clear gaps"), say("Widest: measure"), say("Group"), say("From 0 to {top}", top="100%"), say("Rate"), say("Compared with")],
                    lines, frozenset({1, 5, 6}), frozenset({4})),
    )]  # fmt: skip


def differences(reader: Reader, district: list[Row], latest: int) -> list[Block]:
    """One table each of the three measures with the widest comparisons, of all students and the groups that clearly differ; its heading
    says what it shows."""
    told = [row for row in district if row["subgroup"] == "all" or parts.clearly(row) in ("more", "less")]
    blocks = by_group(reader, told, latest)
    return [
        dataclasses.replace(
            block, heading=finding(reader, [row for row in told if row["metric_id"] == block.id])
        )
        for block in blocks[:3]
        if any(row["metric_id"] == block.id for row in _more_often(told))
    ]


# A range wider than this says too little for a dot in its middle.
_WIDE = 0.25


def _pictured(row: Row) -> bool:
    ends = parts.apart(row, "rate", "reference_rate")
    return None not in ends and max(ends[1] - ends[0], ends[3] - ends[2]) <= _WIDE


def _picture(row: Row, top: float) -> Markup | str:
    ends = parts.apart(row, "rate", "reference_rate")
    return charts.ranges({"own": ends[:2], "other": ends[2:]}, top) if _pictured(row) else ""


def by_group(reader: Reader, rows: list[Row], latest: int) -> list[Block]:
    """One table a metric: groups with their rate, that of everyone else, the gap and the risk ratio."""
    say, of_metric = reader.say, defaultdict(list)
    for row in rows:
        of_metric[row["metric_id"]].append(row)
    blocks = []
    for metric, of in of_metric.items():
        told = [row for row in of if row["n"] is not None]
        if not told:
            continue
        top = parts.scale(
            row[f"{name}_high"] for row in told if _pictured(row) for name in ("rate", "reference_rate")
        )
        ratios = any(_ratio(reader, row) for row in of)
        columns = [say("Group"), say("From 0 to {top}", top=words.percent(top)), say("Rate"), say("Everyone else"), say("Points apart"),
                   *([say("Risk ratio")] if ratios else []), say("How often")]  # fmt: skip

        def line(row: Row, top: float = top, ratios: bool = ratios) -> list[object]:
            said = parts.clearly(row)
            difference = (
                HIDDEN if said is None else reader.difference(*parts.apart(row, "rate", "reference_rate"))
            )
            alone = row["subgroup"] == "all"
            return [
                reader.group(row), "" if alone else _picture(row, top),
                parts.under(reader.share(row), "" if row["n"] is None else f"n {parts.people(row['n'])}"),
                "" if alone else reader.share(row, "reference_rate"), "" if alone else difference,
                *([_ratio(reader, row)] if ratios else []), reader.status(vocabulary.OFTEN[said]) if said else "",
            ]  # fmt: skip

        blocks.append(Block(
            metric, reader.metric(metric), [_counted(reader, told)],
            table=Table(f"{reader.metric(metric)}, {parts.year(latest)}", columns, reader.by_dimension(of, line),
                        frozenset({2, 3, 4, *([5] if ratios else [])}), frozenset({1})),
        ))  # fmt: skip
    return blocks


def _widest_open(reader: Reader, rows: list[Row], latest: int) -> list[Block]:
    """The measures, all but the one with the widest comparison folded: who is concerned stands for them."""
    say, blocks = reader.say, by_group(reader, rows, latest)
    concerned = defaultdict(list)
    for row in _more_often(rows):
        concerned[row["metric_id"]].append(reader.group(row))
    return blocks[:1] + [
        dataclasses.replace(
            block,
            fold=say("Clearly more often: {groups}", groups=say.listed(concerned[block.id], 3))
            if concerned[block.id] else say("No clear difference between groups can be told"),
        )
        for block in blocks[1:]
    ]  # fmt: skip


def _folded(blocks: list[Block]) -> list[Block]:
    """The sections with a table, folded under what it is of."""
    return [
        dataclasses.replace(block, fold=block.table.caption) if block.table else block for block in blocks
    ]


def _counted(reader: Reader, told: list[Row]) -> str:
    everyone = next((row for row in told if row["subgroup"] == "all"), None)
    said = reader.say(
        "Full dot: the group. Hollow dot: everyone else. Pale bar: a rate that is known as a range."
    )
    if everyone is None:
        return said
    return reader.say(
        "Of {number} students, {rate}.", number=parts.people(everyone["n"]), rate=reader.share(everyone)
    ) + f" {said}"  # fmt: skip


def _ratio(reader: Reader, row: Row) -> str:
    """The risk ratio where both sides reach the minimum; where everyone else of the district does not, the alternate risk ratio,
    against everyone else of the state."""
    if parts.clearly(row) is None:
        return ""
    ends = parts.apart(row, "rate", "reference_rate")
    if row["n"] * ends[0] < _RISK_CELL:
        return ""
    if row["reference_n"] * ends[2] >= _RISK_CELL:
        return _said(ratio(*ends), reader)
    if row.get("state_rate"):
        return reader.say(
            "{ratio} (state)", ratio=_said(ratio(*ends[:2], row["state_rate"], row["state_rate"]), reader)
        )
    return ""  # fmt: skip


def _said(span: tuple[float, float] | None, reader: Reader) -> str:
    if span is None:
        return ""
    low, high = (f"{end:.1f}" for end in span)
    return low if low == high else reader.say("{low} to {high}", low=low, high=high)


def _incidents(reader: Reader, latest: int) -> list[Block]:
    """Groups by action: incidents, with days and students under them."""
    rows = [
        r for r in reader.rows("discipline_incidents")
        if r["school_year"] == latest and r["school_id"] == "_all" and r["incidents"] is not None
        and r["dimension"] in ("all_students", "race_ethnicity", "disability_at_incident")
    ]  # fmt: skip
    if not rows:
        return []
    say = reader.say
    at = {(r["dimension"], r["subgroup"], r["action"]): r for r in rows}
    actions = [*vocabulary.ACTIONS, *sorted({r["action"] for r in rows} - set(vocabulary.ACTIONS))]
    actions = [action for action in actions if any(key[2] == action for key in at)]

    def cell(row: Row | None) -> object:
        if row is None:
            return HIDDEN
        under = [say("{days} days", days=parts.people(row["days"]))] if row["days"] else []
        under += (
            [say("{share} of the group", share=reader.share(row, "students_rate"))]
            if row["students_rate_low"] is not None
            else []
        )
        return parts.under(parts.people(row["incidents"]), ", ".join(under))  # fmt: skip

    groups = {key[:2]: row for key, row in at.items()}
    return [Block(
        "incidents", say("Incidents"),
        [say("Students and incidents are counted apart: one student may have several. Numbers of incidents and of days are rounded down to tens; "
             "under them, the share of the group with at least one.")],
        table=Table(say("Incidents, {year}", year=parts.year(latest)),
                    [say("Group"), *(say(vocabulary.ACTIONS.get(a, words.said(a))) for a in actions)],
                    reader.by_dimension(groups.values(), lambda row: [
                        reader.group(row), *(cell(at.get((row["dimension"], row["subgroup"], a))) for a in actions)]),
                    frozenset(range(1, len(actions) + 1))),
    )]  # fmt: skip


def _by_school(reader: Reader, latest: int) -> list[Block]:
    told = [
        r for r in reader.rows("climate")
        if r["school_year"] == latest and r["school_id"] != "_all" and r["dimension"] == "all_students" and r["n"] is not None
    ]  # fmt: skip
    return places(
        reader,
        told,
        "metric_id",
        {m: reader.metric(m) for m in sorted({r["metric_id"] for r in told})},
        "rate",
        latest,
    )


def places(
    reader: Reader, rows: list[Row], of: str, columns: dict[str, str], share: str, latest: int
) -> list[Block]:
    """Schools by what they are told of: `of` names the column that holds a key of `columns`. Nothing where no school is told of."""
    if not rows:
        return []
    at = {(r["school_id"], r[of]): r for r in rows}
    schools = sorted(
        {r["school_id"] for r in rows}, key=lambda school: (reader.place(school).casefold(), school)
    )
    return [Block(
        "schools", reader.say("By school"), [],
        table=Table(reader.say("All students by school, {year}", year=parts.year(latest)), [reader.say("School"), *columns.values()],
                    [[reader.place(s), *(reader.bar(at.get((s, c)), share) for c in columns)] for s in schools],
                    frozenset(range(1, len(columns) + 1)), sortable=True),
    )]  # fmt: skip
