"""Equity Communities of Practice: cycles of inquiry on the time line of their rate, whichever programme they are of, and the
leadership presentation made of evidence and cycles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from markupsafe import Markup

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import tracker, trends, words
from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes import climate, vocabulary
from equity_pipeline.publishing.programmes import page as parts
from equity_pipeline.publishing.programmes.page import HIDDEN, Answer, Block, Reader, Table
from equity_pipeline.publishing.programmes.protect import Released, Share

_CYCLE = Released(
    ("partner_id", "start_school_year", "cycle_id", "focus_area", "question", "aim", "metric_id", "dimension", "subgroup",
     "school_id", "target_rate", "started_on", "due_on", "action", "study", "decision", "decided_on", "latest_school_year"),
    (Share("latest_rate", "latest_n", "latest_successes", year="latest_school_year"),
     Share("baseline_rate", "baseline_n", "baseline_successes", year="start_school_year", later=-1)),
)  # fmt: skip
TABLES = {"cycles_of_inquiry": _CYCLE, "scorecard_cycles": _CYCLE}


def pages(reader: Reader) -> Iterator[Page]:
    """The cycles; where there is a climate page, its first blocks and the cycles as sheets for the leadership team."""
    cycles = [*reader.rows("cycles_of_inquiry"), *reader.rows("scorecard_cycles")]
    if not cycles:
        return
    say, blocks = reader.say, [_cycle(reader, cycle) for cycle in cycles]
    yield parts.page(
        "programmes/cycles.html", say(climate.KICKER), say("Cycles of inquiry"), _decided(reader, cycles),
        say("Each question, what was tried, what came of it, and what was decided; on the time line of the gap it is about."),
        blocks, [_of_cycle(reader, cycle) for cycle in cycles[:4]],
    )  # fmt: skip
    district, latest = climate.district_now(reader)
    if district:
        yield parts.page(
            "programmes/presentation.html", say(climate.KICKER), say("For the leadership team"), climate.finding(reader, district),
            say("Where the evidence is, what was tried, and what is recommended. School year {year}; one sheet each when printed.", year=parts.year(latest)),
            [*climate.ranked(reader, latest), *climate.differences(reader, district, latest), *blocks, _recommended(reader, cycles)], paper="slide",
        )  # fmt: skip


def _recommended(reader: Reader, cycles: list[Row]) -> Block:
    """What was decided of each cycle, and room for what the leadership is asked for."""
    say = reader.say
    lines = [
        [parts.under(cycle["action"] or cycle["question"], say("Cycle {id}, {area}", id=cycle["cycle_id"], area=say(vocabulary.AREAS[cycle["focus_area"]]))),
         _outcome(reader, cycle), reader.status(vocabulary.DECISIONS[cycle["decision"]])]
        for cycle in cycles
    ]  # fmt: skip
    return Block(
        "recommended", say("What we recommend, and what we ask for"),
        table=Table(say("What was tried"), [say("Action"), say("Rate"), say("Decision")], lines), write=5,
    )  # fmt: skip


def _decided(reader: Reader, cycles: list[Row]) -> str:
    return reader.say("{n} of {cycles} are decided", n=sum(cycle["decision"] is not None for cycle in cycles),
                      cycles=reader.say("{n} cycles", n=len(cycles)))  # fmt: skip


def _anchor(cycle: Row) -> str:
    return f"cycle-{cycle['cycle_id']}".lower()


def _of_cycle(reader: Reader, cycle: Row) -> Answer:
    step = vocabulary.DECISIONS[cycle["decision"]]
    return Answer(
        f"#{_anchor(cycle)}", reader.say("Cycle {id}", id=cycle["cycle_id"]), reader.status(step), _outcome(reader, cycle)
    )  # fmt: skip


def _outcome(reader: Reader, cycle: Row) -> str:
    """`24%, then 21%; target 20%`, as far as it is known."""
    say, before, now = reader.say, reader.share(cycle, "baseline_rate"), reader.share(cycle, "latest_rate")
    if cycle["target_rate"] is None:
        return say("{before} before, {now} since", before=before, now=now)
    return say("{before} before, {now} since; target {target}", before=before, now=now, target=words.percent(cycle["target_rate"]))  # fmt: skip


Ends = tuple[float, float]


class _Series(NamedTuple):
    """The rate of a cycle's group by school year, as the range that is released of it, the same of whom it is compared with, and how far
    they are apart in points, where that is released."""

    own: dict[int, Ends]
    other: dict[int, Ends]
    apart: dict[int, str]
    compared_with: str


def _series(reader: Reader, cycle: Row) -> _Series:
    """Where the cycle's gap stands in the released tables: the gap tables, climate, or the scorecard."""
    place = ("school_id", "metric_id", "dimension", "subgroup")
    key = tuple(cycle[name] for name in place)

    def rows(table: Iterable[Row], about: tuple[str, ...] = key) -> list[Row]:
        return [r for r in table if tuple(r[c] for c in place) == about]

    def told(of: list[Row], name: str) -> dict[int, Ends]:
        return {
            r["school_year"]: (r[f"{name}_low"], r[f"{name}_high"]) for r in of if r[f"{name}_low"] is not None
        }  # fmt: skip

    everyone_else = reader.say("everyone else")
    found = _Series({}, {}, {}, "")
    if gaps := _gaps(reader, key):
        own, other = (
            {r["school_year"]: ends for r in gaps if (ends := _ends(r, name))}
            for name in ("rate", "reference_rate")
        )
        reference = reader.context.labels.reference_subgroup(cycle["dimension"])
        found = _Series(own, other, {r["school_year"]: words.points(r["gap"]) for r in gaps if r["gap"] is not None},
                        reader.group(cycle | {"subgroup": reference}) if reference else everyone_else)  # fmt: skip
    elif of_climate := rows(reader.rows("climate")):
        own, other = (told(of_climate, name) for name in ("rate", "reference_rate"))
        apart = {year: reader.difference(*own[year], *other[year]) for year in own.keys() & other.keys()}
        found = _Series(own, other, apart, everyone_else)
    elif card := [r for r in reader.rows("opportunity_scorecard") if r["collection_window"] == "_all"]:
        everyone = rows(card, (*key[:2], "all_students", "all"))
        found = _Series(told(rows(card), "share"), told(everyone, "share"), {}, reader.say("all students"))
    for prefix, at in (("latest", cycle["latest_school_year"]), ("baseline", cycle["start_school_year"] - 1)):
        if at is not None and cycle[f"{prefix}_n"] is not None:
            found.own.setdefault(int(at), (cycle[f"{prefix}_rate_low"], cycle[f"{prefix}_rate_high"]))
    return found


def _gaps(reader: Reader, key: tuple[str, ...]) -> list[Row]:
    """The rows of the gap tables of the cycle's group, with the reference that readers are shown elsewhere."""
    school, metric, dimension, subgroup = key
    gaps = reader.frames["gap_metrics"]
    reference = "designated" if reader.context.labels.reference_subgroup(dimension) else "rest"
    at = (gaps["school_id"] == school) & (gaps["metric_id"] == metric) & (gaps["reference"] == reference)
    return tracker.plain(gaps[at & (gaps["dimension"] == dimension) & (gaps["subgroup"] == subgroup)])


def _ends(row: Row, name: str) -> Ends | None:
    """The ends of a rate of the gap tables, which is a whole percent or in a band."""
    if row[name] is None:
        return None
    band = row.get(f"{name}_band")
    low, high = words.ends(band, row[name]) if band else (100 * row[name],) * 2
    return low / 100, high / 100


def _timeline(reader: Reader, cycle: Row, about: str, series: _Series) -> Markup | None:
    """The gap by school year as far as it is released: the group's rate, that of whom it is compared with, the target, and when the
    cycle began and was decided."""
    say, own = reader.say, series.own
    if not own:
        return None
    years = list(range(min(*own, cycle["start_school_year"] - 1), max(*own, cycle["start_school_year"]) + 1))
    marks = [(years.index(cycle["start_school_year"]) - 0.5, say("{cycle} begins", cycle=cycle["cycle_id"]))]
    if cycle["decision"] and cycle["latest_school_year"]:
        decided = years.index(int(cycle["latest_school_year"])) + 0.4
        marks.append((decided, say(vocabulary.DECISIONS[cycle["decision"]].words)))
    spans, others = ([of.get(y) for y in years] for of in (own, series.other))

    def said(span: Ends | None) -> str:
        return say.span(*(round(100 * end) for end in span)) if span else HIDDEN

    spoken = [
        f"{parts.year(y)} {said(span)}" + (f", {series.compared_with} {said(other)}" if other else "")
        for y, span, other in zip(years, spans, others, strict=True)
    ]
    return trends.trend(
        [parts.year(y) for y in years], [_middle(span) for span in spans], spans, goal=cycle["target_rate"],
        goal_label=say("target"), name=f"{about}: {', '.join(spoken)}", span=(0.0, 0.05), written=words.percent, values=list(map(said, spans)),
        marks=marks, beside=list(map(_middle, others)), height=220,
    )  # fmt: skip


def _middle(span: Ends | None) -> float | None:
    return None if span is None else sum(span) / 2


def _gap(reader: Reader, cycle: Row, series: _Series) -> str:
    """How far the group is from whom it is compared with, before the cycle and since."""
    before, now = (series.apart.get(year) for year in (cycle["start_school_year"] - 1, cycle["latest_school_year"]))  # fmt: skip
    if before is None and now is None:
        return ""
    return reader.say("{before} before, {now} since, in points from {who}", before=before or HIDDEN, now=now or HIDDEN, who=series.compared_with)  # fmt: skip


def _cycle(reader: Reader, cycle: Row) -> Block:
    say = reader.say
    about = f"{reader.metric(cycle['metric_id'])}, {reader.group(cycle)}, {reader.place(cycle['school_id'])}"
    series = _series(reader, cycle)
    ran = " – ".join(filter(None, (say.date(cycle["started_on"]), say.date(cycle["due_on"]))))
    steps = [
        (say("Aim"), cycle["aim"]), (say("Measure"), about), (say("Rate"), _outcome(reader, cycle)), (say("Gap"), _gap(reader, cycle, series)),
        (say("Action"), cycle["action"]),
        (say("From, to"), ran), (say("Study"), cycle["study"]),
        (say("Decision"), parts.under(reader.status(vocabulary.DECISIONS[cycle["decision"]]), say.date(cycle["decided_on"]))),
    ]  # fmt: skip
    return Block(
        _anchor(cycle), cycle["question"],
        [say("Cycle {id}, {area}", id=cycle["cycle_id"], area=say(vocabulary.AREAS[cycle["focus_area"]]))],
        facts=[(term, said) for term, said in steps if said],
        picture=_timeline(reader, cycle, about, series),
        picture_title=about, picture_note=say("Full dot: the group. Hollow dot: {who}.", who=series.compared_with) if series.other else "",
    )  # fmt: skip
