"""Action For Equity: what the phase asks first, student voice and staff beliefs beside access, Tools Package eligibility and
hand-over, and the Equity Leader Lab's cohort.

Status and gaps come from the released marts, so nothing is said here that they do not say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pandas as pd

from equity_pipeline.publishing import words
from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes.needs import words_of
from equity_pipeline.publishing.programmes.page import HIDDEN, Block, Reader, Table, date, page, share, year
from equity_pipeline.publishing.programmes.protect import Released, Share

KICKER = "Action for Equity"
TABLES = {
    "student_voice": Released(
        ("partner_id", "school_year", "school_id", "construct", "course_experience", "dimension", "subgroup"),
        (Share("favorable", "respondents", "favorable_respondents"),),
    ),
    "leader_lab_policies": Released(
        ("partner_id", "team_id", "school_id", "policy", "adopted_on", "adopted_school_year", "metric_id", "dimension", "subgroup")
    ),
}  # fmt: skip
# What a phase is about comes first (Action For Equity, programme structure).
PHASE_FIRST = {
    "access": ("access", "success"),
    "success": ("success", "access"),
    "extend": ("success", "access"),
    "sustain": ("access", "success"),
}
# The Tools Package continues progress towards closing, or keeps closed what was closed the year before.
CLOSING = {"narrowing", *words.CLOSED}
_ELIGIBLE = ("race_ethnicity", "economically_disadvantaged")
HANDOVER = (
    "Every gap of AP and IB enrollment by race and income is closed or narrowing",
    "A team of the school owns the data and its calendar of deliveries",
    "Each closed gap has a person who watches it, and a day to look again",
)


def pages(reader: Reader) -> Iterator[Page]:
    """Phase and voice; eligibility; the leader lab."""
    programs = {p.program for p in reader.partner.programs}
    if "action_for_equity" not in programs:
        return
    yield page(
        "programmes/action_for_equity.html", KICKER, "Where the partnership stands",
        "What the phase asks first, what students and staff say beside it, and which schools are ready to lead the work themselves.",
        [*_phase(reader), *_voice(reader), *_beliefs(reader), *_eligibility(reader), *_lab(reader)],
    )  # fmt: skip


def _designated(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["reference"] == "designated") & (frame.get("grade_level", "_all") == "_all")]


def _phase(reader: Reader) -> list[Block]:
    """The newest phase and how the gaps of its metrics stand, those that it is about first."""
    phases = [
        p
        for p in reader.partner.programs
        if p.program == "action_for_equity" and p.phase and p.school_id is None
    ]
    if not phases:
        return []
    latest = max(phases, key=lambda p: p.school_year)
    metrics = reader.context.labels.metrics
    closure = _designated(reader.frames["gap_closure"])
    newest = closure[
        (closure["school_year"] == closure["school_year"].max())
        & (closure["school_id"] == "_all")
        & closure["dimension"].isin(_ELIGIBLE)
    ]
    lines = []
    for phase in PHASE_FIRST[latest.phase]:
        for metric in metrics[metrics["phase"] == phase].sort_values("sort")["metric_id"]:
            of = newest[
                (newest["metric_id"] == metric)
                & newest["status"].notna()
                & (newest["status"] != "not_measurable")
            ]
            if len(of):
                counts = of["status"].value_counts().to_dict()
                lines.append([reader.metric(metric), phase.capitalize(),
                              "; ".join(f"{counts[s]} {step.words}" for s, step in words.STATUSES.items() if s in counts)])  # fmt: skip
    history = "; ".join(
        f"{year(p.school_year)} {words.PHASES[p.phase]}" for p in sorted(phases, key=lambda p: p.school_year)
    )
    return [Block("phase", words.PHASES[latest.phase], [f"Phases so far: {history}."],
                  Table("Gaps by race and income that can be told, what the phase asks first", ["Measure", "Phase", "Gaps"], lines))] if lines else []  # fmt: skip


def _voice(reader: Reader) -> list[Block]:
    rows = [
        r
        for r in reader.rows("student_voice")
        if r["school_id"] == "_all" and not r["suppressed"] and r["subgroup"] != "unknown"
    ]
    if not rows:
        return []
    latest = max(r["school_year"] for r in rows)
    at = {
        (r["dimension"], r["subgroup"], r["construct"], r["course_experience"]): r
        for r in rows
        if r["school_year"] == latest
    }
    lines = []
    for d, s, construct in dict.fromkeys(key[:3] for key in at):
        one, other = (at.get((d, s, construct, which)) for which in ("ap_ib", "no_ap_ib"))
        known = one or other
        lines.append([f"{reader.group(known)}", words_of(construct), share(one, "favorable") if one else HIDDEN,
                      share(other, "favorable") if other else HIDDEN, _access(reader, known)])  # fmt: skip
    return [Block("voice", "Student voice", ["Favorable answers by course experience, with the group's access to AP and IB beside."],
                  Table(f"Favorable, {year(latest)}", ["Group", "About", "In an AP or IB course", "In none", "Access of the group"], lines,
                        frozenset({2, 3, 4})))]  # fmt: skip


def _access(reader: Reader, row: dict) -> str:
    """The group's access as the gap tables tell it: a rate, a band, or nothing."""
    gaps = reader.frames["gap_metrics"]
    about = {c: row[c] for c in ("school_year", "school_id", "dimension", "subgroup")} | {
        "metric_id": "ap_ib_enrollment",
        "reference": "overall",
    }
    found = gaps[
        (gaps[list(about)] == list(about.values())).all(axis=1) & (gaps.get("grade_level", "_all") == "_all")
    ]
    for one in found.to_dict("records"):
        if pd.notna(one["rate"]):
            return words.percent(one["rate"], 0)
        if isinstance(band := one.get("rate_band"), str):
            return band
    return HIDDEN


def _beliefs(reader: Reader) -> list[Block]:
    rows = [
        r
        for r in reader.rows("needs_assessment")
        if r["respondent_type"] == "staff" and r["school_id"] == "_all" and not r["suppressed"]
    ]
    if not rows:
        return []
    latest = max(r["school_year"] for r in rows)
    return [Block("beliefs", "What staff believe", [],
                  Table(f"Favorable answers of staff, {year(latest)}", ["About", "Favorable"],
                        [[words_of(r["construct"]), share(r, "favorable")] for r in rows if r["school_year"] == latest], frozenset({1})))]  # fmt: skip


def eligibility(closure: pd.DataFrame) -> pd.DataFrame:
    """Per school of the newest year: how many gaps of AP and IB enrollment by race and income can be told, how many of them are
    closing or closed, and whether the school is ready for the Tools Package: all of them, and at least one."""
    closure = _designated(closure)
    newest = closure[
        (closure["school_year"] == closure["school_year"].max()) & (closure["metric_id"] == "ap_ib_enrollment")
        & closure["dimension"].isin(_ELIGIBLE) & closure["status"].notna() & (closure["status"] != "not_measurable")
        & (closure["subgroup"] != "unknown")
    ]  # fmt: skip
    counted = (
        newest.assign(closing=newest["status"].isin(CLOSING))
        .groupby("school_id")
        .agg(gaps=("closing", "size"), closing=("closing", "sum"))
    )
    return counted.assign(
        eligible=(counted["gaps"] > 0) & (counted["gaps"] == counted["closing"])
    ).reset_index()


def _eligibility(reader: Reader) -> list[Block]:
    rows = eligibility(reader.frames["gap_closure"]).to_dict("records")
    if not rows:
        return []
    rows.sort(key=lambda r: (not r["eligible"], -r["closing"] / r["gaps"], reader.place(r["school_id"])))
    lines = [
        [
            reader.place(r["school_id"]),
            f"{r['closing']} of {r['gaps']}",
            "Ready" if r["eligible"] else "Not yet",
        ]
        for r in rows
    ]
    return [Block("eligibility", "Ready for the Tools Package?", ["Ready where every gap of AP and IB enrollment by race and income that can be told is closed or narrowing. Hand-over:",
                                                                  *(f"• {step}" for step in HANDOVER)],
                  Table("Closed or narrowing", ["Place", "Gaps", "Tools Package"], lines, frozenset({1})))]  # fmt: skip


def _lab(reader: Reader) -> list[Block]:
    """Each team's adopted policies with the released gap of the year before and the newest since."""
    teams = defaultdict(list)
    gaps = _designated(reader.frames["gap_metrics"]).dropna(subset=["gap"])
    for row in reader.rows("leader_lab_policies"):
        of = gaps[
            (
                gaps[["school_id", "metric_id", "dimension", "subgroup"]]
                == [row[c] for c in ("school_id", "metric_id", "dimension", "subgroup")]
            ).all(axis=1)
        ]
        at = dict(zip(of["school_year"], of["gap"], strict=True))
        since = [y for y in at if y >= row["adopted_school_year"]]
        before = at.get(row["adopted_school_year"] - 1)
        teams[row["team_id"]].append([
            reader.place(row["school_id"]), row["policy"], date(row["adopted_on"]), f"{reader.metric(row['metric_id'])}, {reader.group(row)}",
            HIDDEN if before is None else words.points(before), f"{words.points(at[max(since)])} ({year(max(since))})" if since else HIDDEN,
        ])  # fmt: skip
    return [Block("lab", "Equity Leader Lab", ["What each team adopted, and the gap in the year before and the newest since, in percentage points."],
                  Table("Policies", ["School", "Policy", "Adopted on", "Gap", "Before", "Since"], [line for _, of in sorted(teams.items()) for line in of],
                        frozenset({4, 5})))] if teams else []  # fmt: skip
