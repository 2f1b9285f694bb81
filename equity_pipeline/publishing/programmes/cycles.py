"""Equity Communities of Practice: cycles of inquiry on the time line of their rate, whichever programme they are of, and the
leadership presentation made of evidence and cycles."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import charts, words
from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes import climate, vocabulary
from equity_pipeline.publishing.programmes import page as parts
from equity_pipeline.publishing.programmes.page import HIDDEN, Answer, Block, Reader
from equity_pipeline.publishing.programmes.protect import Released, Share

_CYCLE = Released(
    ("partner_id", "start_school_year", "cycle_id", "focus_area", "question", "aim", "metric_id", "dimension", "subgroup",
     "school_id", "target_rate", "started_on", "due_on", "action", "study", "decision", "decided_on", "latest_school_year"),
    (Share("latest_rate", "latest_n", "latest_successes"), Share("baseline_rate", "baseline_n", "baseline_successes")),
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
        say("Each question, what was tried, what came of it, and what was decided; on the time line of the rate it is about."),
        blocks, [_of_cycle(reader, cycle) for cycle in cycles[:4]],
    )  # fmt: skip
    district, latest = climate.district_now(reader)
    if district:
        yield parts.page(
            "programmes/presentation.html", say(climate.KICKER), say("For the leadership team"), climate.finding(reader, district),
            say("Where the evidence is, what was tried, and what is recommended. School year {year}; one sheet each when printed.", year=parts.year(latest)),
            [*climate.ranked(reader, latest), *climate.by_group(reader, district, latest)[:2], *blocks], sheets=True,
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


def _series(reader: Reader, cycle: Row) -> dict[int, tuple[float, float]]:
    """School year → the range that is released of the rate which a cycle is about."""
    key = tuple(cycle[name] for name in ("school_id", "metric_id", "dimension", "subgroup"))
    whole_years = [row for row in reader.rows("opportunity_scorecard") if row["collection_window"] == "_all"]
    found = {
        row["school_year"]: (row[f"{name}_low"], row[f"{name}_high"])
        for name, rows in (("rate", reader.rows("climate")), ("share", whole_years))
        for row in rows
        if row[f"{name}_low"] is not None and (row["school_id"], row["metric_id"], row["dimension"], row["subgroup"]) == key
    }  # fmt: skip
    for prefix, at in (("latest", cycle["latest_school_year"]), ("baseline", cycle["start_school_year"] - 1)):
        if at is not None and cycle[f"{prefix}_n"] is not None:
            found.setdefault(int(at), (cycle[f"{prefix}_rate_low"], cycle[f"{prefix}_rate_high"]))
    return found


def _timeline(reader: Reader, cycle: Row, about: str) -> Markup | None:
    """The rate by school year as far as it is released, its target, and when the cycle began and was decided."""
    say, series = reader.say, _series(reader, cycle)
    if not series:
        return None
    years = list(
        range(min(*series, cycle["start_school_year"] - 1), max(*series, cycle["start_school_year"]) + 1)
    )
    marks = [(years.index(cycle["start_school_year"]) - 0.5, say("{cycle} begins", cycle=cycle["cycle_id"]))]
    if cycle["decision"] and cycle["latest_school_year"]:
        marks.append(
            (
                years.index(int(cycle["latest_school_year"])) + 0.4,
                say(vocabulary.DECISIONS[cycle["decision"]].words),
            )
        )
    spans = [series.get(y) for y in years]
    told = [say.span(*(round(100 * end) for end in span)) if span else HIDDEN for span in spans]
    spoken = ", ".join(f"{parts.year(y)} {said}" for y, said in zip(years, told, strict=True))
    return charts.trend(
        [parts.year(y) for y in years], [None if span is None else sum(span) / 2 for span in spans], spans, goal=cycle["target_rate"],
        goal_label=say("target"), name=f"{about}: {spoken}", span=(0.0, 0.05), written=words.percent, values=told, marks=marks, height=200,
    )  # fmt: skip


def _cycle(reader: Reader, cycle: Row) -> Block:
    say = reader.say
    about = f"{reader.metric(cycle['metric_id'])}, {reader.group(cycle)}, {reader.place(cycle['school_id'])}"
    ran = " – ".join(filter(None, (say.date(cycle["started_on"]), say.date(cycle["due_on"]))))
    steps = [
        (say("Aim"), cycle["aim"]), (say("Measure"), about), (say("Rate"), _outcome(reader, cycle)), (say("Action"), cycle["action"]),
        (say("From, to"), ran), (say("Study"), cycle["study"]),
        (say("Decision"), parts.under(reader.status(vocabulary.DECISIONS[cycle["decision"]]), say.date(cycle["decided_on"]))),
    ]  # fmt: skip
    return Block(
        _anchor(cycle), cycle["question"],
        [say("Cycle {id}, {area}", id=cycle["cycle_id"], area=say(vocabulary.AREAS[cycle["focus_area"]]))],
        facts=[(term, said) for term, said in steps if said],
        picture=_timeline(reader, cycle, about), picture_title=about,
    )  # fmt: skip
