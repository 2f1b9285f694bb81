"""Equity Communities of Practice: climate and discipline by group, focus areas, cycles of inquiry, and the packs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes.page import (
    HIDDEN,
    Block,
    Reader,
    Table,
    date,
    difference,
    page,
    people,
    share,
    timeline,
    year,
)
from equity_pipeline.publishing.programmes.protect import Released, Share, ratio

KICKER = "Equity Communities of Practice"
_CELL = ("partner_id", "school_year", "school_id", "metric_id", "dimension", "subgroup")
TABLES = {
    "climate": Released(_CELL, (Share("rate", "n", "successes"), Share("reference_rate", "reference_n", "reference_successes"))),
    "discipline_incidents": Released(
        ("partner_id", "school_year", "school_id", "action", "dimension", "subgroup"),
        (Share("students_rate", "students_enrolled", "students"),),
        tens={"incidents": "students", "days": "students"},
    ),
    "focus_areas": Released(
        ("partner_id", "school_year", "school_id", "evidence_rank", "focus_area", "measured_gaps", "clear_gaps", "metric_id",
         "dimension", "subgroup"),
        (Share("rate", "n", "successes"), Share("reference_rate", "reference_n", "reference_successes")),
    ),
    "cycles_of_inquiry": Released(
        ("partner_id", "start_school_year", "cycle_id", "focus_area", "question", "aim", "metric_id", "dimension", "subgroup",
         "school_id", "target_rate", "started_on", "due_on", "action", "study", "decision", "decided_on", "latest_school_year"),
        (Share("latest_rate", "latest_n", "latest_successes"), Share("baseline_rate", "baseline_n", "baseline_successes")),
    ),
}  # fmt: skip

AREAS = {
    "academics": "Academics",
    "discipline": "Discipline",
    "school_culture": "School culture",
    "engagement": "Engagement",
}
ACTIONS = {
    "iss": "In-school suspension",
    "oss": "Out-of-school suspension",
    "referral": "Office referral",
    "expulsion": "Expulsion",
}
DECISIONS = {"adopt": "Adopt", "adapt": "Adapt", "abandon": "Abandon", None: "Not decided yet"}
_EVIDENCE = (
    "Areas in the order of their widest clear gap, by Cohen's h, which puts rates of any height on one scale. "
    "A gap is clear when the group is behind and the 95% interval leaves out zero."
)
# A pack goes to people who know each other: a group must be so many times the smallest that is shown elsewhere.
PACK_STRICTER = 2
PACKS = {
    "students": ("students", ("suspended_any", "referred", "chronically_absent")),
    "staff": ("staff", ("referred", "suspended_iss", "suspended_oss", "chronically_absent")),
    "parents": ("parents and families", ("suspended_any", "expelled", "chronically_absent")),
}
# A count below it makes a risk ratio say little (34 CFR 300.647); judged by what is published alone.
_RISK_CELL = 10


def pages(reader: Reader) -> Iterator[Page]:
    """The climate page; the cycles' page; the leadership pack; a pack for each affinity group."""
    rows = reader.rows("climate")
    if not any(row["n"] is not None for row in rows):
        return
    latest = max(row["school_year"] for row in rows if row["n"] is not None)
    district = [row for row in rows if row["school_year"] == latest and row["school_id"] == "_all"]
    yield page(
        "programmes/climate.html", KICKER, "Climate and discipline",
        f"What happened to students in {year(latest)}, group by group, and how it compares with everyone else.",
        [*_ranked(reader, latest), *_by_group(reader, district, latest), *_incidents(reader, latest), *_by_school(reader, rows, latest)],
    )  # fmt: skip
    cycles = reader.rows("cycles_of_inquiry")
    if not cycles:
        return
    yield page(
        "programmes/cycles.html", KICKER, "Cycles of inquiry",
        "Each question, what was tried, what came of it, and what was decided; on the time line of the rate it is about.",
        [_cycle(reader, cycle) for cycle in cycles],
    )  # fmt: skip
    yield page(
        "programmes/presentation.html", KICKER, "For the leadership team",
        f"Where the evidence is, what was tried, and what is recommended. School year {year(latest)}; one sheet each when printed.",
        [*_ranked(reader, latest), *_by_group(reader, district, latest)[:2], *(_cycle(reader, cycle) for cycle in cycles)],
        sheets=True,
    )  # fmt: skip
    for name, (who, metrics) in PACKS.items():
        kept = [
            row
            for row in district
            if row["metric_id"] in metrics and _large_enough(row, reader.context.minimum_cell)
        ]
        yield page(
            f"programmes/pack_{name}.html", KICKER, f"A pack for the affinity group of {who}",
            "Read each table first by yourself, then with a neighbor: what do you notice, what do you wonder? Groups of few "
            "students are left out.",
            _by_group(reader, kept, latest), sheets=True,
        )  # fmt: skip


def _large_enough(row: dict, minimum_cell: int) -> bool:
    return row["n"] is not None and row["n"] >= PACK_STRICTER * minimum_cell


def _ranked(reader: Reader, latest: int) -> list[Block]:
    rows = [r for r in reader.rows("focus_areas") if r["school_year"] == latest and r["school_id"] == "_all"]
    if not rows:
        return []
    lines = [
        [f"{row['evidence_rank']}. {AREAS[row['focus_area']]}", f"{row['clear_gaps']} of {row['measured_gaps']}",
         *([reader.metric(row["metric_id"]), reader.group(row), share(row), share(row, "reference_rate")]
           if row["metric_id"] and row["n"] is not None else ["no clear gap" if not row["metric_id"] else HIDDEN, "", "", ""])]
        for row in sorted(rows, key=lambda row: row["evidence_rank"])
    ]  # fmt: skip
    return [Block(
        "focus", "Where the evidence points",
        [_EVIDENCE],
        Table("Focus areas, strongest evidence first", ["Area", "Clear gaps", "Widest: measure", "Group", "Rate", "Compared with"],
              lines, frozenset({1, 4, 5})),
    )]  # fmt: skip


def _by_group(reader: Reader, rows: list[dict], latest: int) -> list[Block]:
    """One table a metric: groups with their rate, that of everyone else, the gap and the risk ratio."""
    of_metric = defaultdict(list)
    for row in rows:
        if row["subgroup"] != "unknown":
            of_metric[row["metric_id"]].append(row)
    blocks = []
    for metric, of in sorted(of_metric.items()):
        if not any(row["n"] is not None for row in of):
            continue
        lines = [[reader.group(row), people(row["n"]), share(row), *_compared(row)] for row in of]
        blocks.append(Block(
            metric, reader.metric(metric), [],
            Table(f"{reader.metric(metric)}, {year(latest)}",
                  ["Group", "Students", "Rate", "Everyone else", "Points apart", "Risk ratio"], lines, frozenset({1, 2, 3, 4, 5})),
        ))  # fmt: skip
    return blocks


def _compared(row: dict) -> list[str]:
    """The rate of everyone else, the difference, and the risk ratio where both sides reach the minimum."""
    if row["n"] is None or row["reference_n"] is None:
        return [HIDDEN] * 3
    ends = [row[name] for name in ("rate_low", "rate_high", "reference_rate_low", "reference_rate_high")]
    enough = row["n"] * ends[0] >= _RISK_CELL and row["reference_n"] * ends[2] >= _RISK_CELL
    span = ratio(*ends) if enough else None
    said = (
        HIDDEN
        if span is None
        else f"{span[0]:.1f}"
        if round(span[0], 1) == round(span[1], 1)
        else f"{span[0]:.1f} to {span[1]:.1f}"
    )
    return [share(row, "reference_rate"), difference(*ends), said]


def _incidents(reader: Reader, latest: int) -> list[Block]:
    rows = [
        r for r in reader.rows("discipline_incidents")
        if r["school_year"] == latest and r["school_id"] == "_all" and r["incidents"] is not None
        and r["dimension"] in ("all_students", "race_ethnicity", "disability_at_incident")
    ]  # fmt: skip
    if not rows:
        return []
    return [Block(
        "incidents", "Incidents",
        ["Students and incidents are counted apart: one student may have several. Numbers of incidents are rounded down to tens."],
        Table(f"Incidents, {year(latest)}", ["Action", "Group", "Incidents", "Days", "Students with one or more"],
              [[ACTIONS.get(r["action"], r["action"]), reader.group(r), people(r["incidents"]), people(r["days"]),
                share(r, "students_rate")] for r in rows], frozenset({2, 3, 4})),
    )]  # fmt: skip


def _by_school(reader: Reader, rows: list[dict], latest: int) -> list[Block]:
    told = [
        r for r in rows
        if r["school_year"] == latest and r["school_id"] != "_all" and r["dimension"] == "all_students" and r["n"] is not None
    ]  # fmt: skip
    schools = sorted({r["school_id"] for r in told}, key=reader.place)
    metrics = sorted({r["metric_id"] for r in told})
    at = {(r["school_id"], r["metric_id"]): share(r) for r in told}
    if not told:
        return []
    return [Block(
        "schools", "By school", [],
        Table(f"All students, {year(latest)}", ["School", *(reader.metric(m) for m in metrics)],
              [[reader.place(s), *(at.get((s, m), HIDDEN) for m in metrics)] for s in schools], frozenset(range(1, len(metrics) + 1))),
    )]  # fmt: skip


def _series(reader: Reader, cycle: dict) -> dict[int, tuple[float, float]]:
    """School year → the range that is released of the rate which a cycle is about."""
    key = tuple(cycle[name] for name in ("school_id", "metric_id", "dimension", "subgroup"))
    found = {
        row["school_year"]: (row["rate_low"], row["rate_high"])
        for row in reader.rows("climate")
        if row["n"] is not None
        and (row["school_id"], row["metric_id"], row["dimension"], row["subgroup"]) == key
    }
    for prefix, at in (("latest", cycle["latest_school_year"]), ("baseline", cycle["start_school_year"] - 1)):
        if at is not None and cycle[f"{prefix}_n"] is not None:
            found.setdefault(int(at), (cycle[f"{prefix}_rate_low"], cycle[f"{prefix}_rate_high"]))
    return found


def _cycle(reader: Reader, cycle: dict) -> Block:
    series = _series(reader, cycle)
    marks = [(cycle["start_school_year"], f"{cycle['cycle_id']} begins")]
    if cycle["decision"] and cycle["latest_school_year"]:
        marks.append((int(cycle["latest_school_year"]) + 1, DECISIONS[cycle["decision"]].lower()))
    years = list(
        range(min([*series, cycle["start_school_year"]]), max([*series, cycle["start_school_year"]]) + 1)
    )
    about = f"{reader.metric(cycle['metric_id'])}, {reader.group(cycle)}, {reader.place(cycle['school_id'])}"
    lines = [
        ["Aim", cycle["aim"]], ["Measure", about],
        ["Target", "" if cycle["target_rate"] is None else f"{cycle['target_rate']:.0%}"],
        ["Action", cycle["action"]], ["From, to", " to ".join(filter(None, (date(cycle["started_on"]), date(cycle["due_on"]))))],
        ["Before", share(cycle, "baseline_rate")], ["Latest", share(cycle, "latest_rate")], ["Study", cycle["study"]],
        ["Decision", f"{DECISIONS[cycle['decision']]} {date(cycle['decided_on'])}".strip()],
    ]  # fmt: skip
    return Block(
        f"cycle-{cycle['cycle_id']}".lower(), cycle["question"], [AREAS[cycle["focus_area"]]],
        Table(f"Cycle {cycle['cycle_id']}", ["Step", "What"], lines),
        timeline(years, [series.get(y) for y in years], marks, f"{about}, by school year") if series else None,
    )  # fmt: skip
