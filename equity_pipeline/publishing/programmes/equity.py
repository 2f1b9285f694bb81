"""Action For Equity: what the phase asks first, student voice and staff beliefs beside access, Tools Package eligibility and
hand-over, and the Equity Leader Lab's cohort.

Status and gaps come from the released marts, so nothing is said here that they do not say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import charts, tables, tracker, words
from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes import page as parts
from equity_pipeline.publishing.programmes import vocabulary
from equity_pipeline.publishing.programmes.needs import asked
from equity_pipeline.publishing.programmes.page import HIDDEN, Answer, Block, Reader, Table
from equity_pipeline.publishing.programmes.protect import Released, Share
from equity_pipeline.publishing.programmes.vocabulary import BARRIER

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
_GROUP = ("school_year", "school_id", "dimension", "subgroup")
_ELIGIBLE = ("race_ethnicity", "economically_disadvantaged")


def pages(reader: Reader) -> Iterator[Page]:
    """Phase and voice; eligibility; the leader lab."""
    programs = {p.program for p in reader.partner.programs}
    if "action_for_equity" not in programs:
        return
    say, ready = reader.say, tracker.plain(eligibility(reader.frames["gap_closure"]))
    yield parts.page(
        "programmes/action_for_equity.html", say(KICKER), say("Where the partnership stands"), _finding(reader, ready),
        say("What the phase asks first, what students and staff say beside it, and which schools are ready to lead the work themselves."),
        [*_phase(reader), *_schools(reader), *_voice(reader), *_barriers(reader), *_beliefs(reader), *_eligibility(reader, ready), *_lab(reader)],
        _answers(reader, ready),
    )  # fmt: skip


def _designated(frame: pd.DataFrame) -> pd.DataFrame:
    return _all_grades(frame[frame["reference"] == "designated"])


def _all_grades(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["grade_level"] == "_all"] if "grade_level" in frame else frame


class _Phase(NamedTuple):
    school_year: int
    phase: str


def _phases(reader: Reader, school_id: str | None = None) -> list[_Phase]:
    """The phases of the district, or those of a school that differ from it, oldest first."""
    of = [
        _Phase(p.school_year, p.phase)
        for p in reader.partner.programs
        if p.program == "action_for_equity" and p.phase and p.school_id == school_id
    ]
    return sorted(of, key=lambda p: p.school_year)


def _history(reader: Reader, phases: list[_Phase]) -> str:
    """`2022-23 to 2024-25 Access Opportunity; 2025-26 Experience Success`."""
    spans: list[list[_Phase]] = []
    for one in phases:
        if spans and (spans[-1][-1].phase, spans[-1][-1].school_year) == (one.phase, one.school_year - 1):
            spans[-1].append(one)
        else:
            spans.append([one])
    say = reader.say
    return "; ".join(
        say("{years} {phase}", phase=say(words.PHASES[span[0].phase]), years=parts.year(span[0].school_year) if len(span) == 1
            else say("{first} to {last}", first=parts.year(span[0].school_year), last=parts.year(span[-1].school_year)))
        for span in spans
    )  # fmt: skip


def _finding(reader: Reader, ready: list[Row]) -> str:
    district = next((row for row in ready if row["school_id"] == "_all"), None)
    if district is None:
        return reader.say("No gap of AP and IB enrollment by race or income can be told yet")
    return reader.say("{n} of {gaps} of AP and IB enrollment are closed or narrowing", n=district["closing"],
                      gaps=reader.say("{n} gaps", n=district["gaps"]))  # fmt: skip


def _answers(reader: Reader, ready: list[Row]) -> Iterator[Answer]:
    say, phases = reader.say, _phases(reader)
    if phases:
        yield Answer("#phase" if _phase(reader) else "../index.html#phase", say("Which phase?"), say(words.PHASES[phases[-1].phase]),
                     say("since {year}", year=parts.year(min(p.school_year for p in phases if p.phase == phases[-1].phase))))  # fmt: skip
    if spoken := _spoken(reader):
        belonging = next(
            (r for key, r in spoken.items() if key == ("all_students", "all", "belonging", "ap_ib")), None
        )
        other = spoken.get(("all_students", "all", "belonging", "no_ap_ib"))
        if belonging and other:
            yield Answer("#voice", say("What do students say?"), say("{rate} feel they belong", rate=reader.share(belonging, "favorable")),
                         say("in AP and IB courses; {rate} of the others", rate=reader.share(other, "favorable")))  # fmt: skip
    named = _named(reader)
    if named:
        yield Answer(
            "#barriers",
            say("What stands in the way?"),
            _barrier(named[0]),
            say("named by {rate}", rate=reader.share(named[0], "named")),
        )
    schools = [row for row in ready if row["school_id"] != "_all"]
    if schools:
        yield Answer("#eligibility", say("Who is ready for the Tools Package?"),
                     say("{ready} of {n} schools", ready=str(sum(row["eligible"] for row in schools)), n=len(schools)),
                     say.listed([reader.place(row["school_id"]) for row in schools if row["eligible"]], 2))  # fmt: skip


def _measures(reader: Reader, first: tuple[str, ...], school_id: str = "_all") -> list[list[object]]:
    """What these phases ask, in their order: a line a measure, with how its gaps by race and income stand."""
    metrics = reader.context.labels.metrics
    closure = _designated(reader.frames["gap_closure"])
    newest = closure[
        (closure["school_year"] == closure["school_year"].max()) & (closure["school_id"] == school_id)
        & closure["dimension"].isin(_ELIGIBLE) & closure["status"].notna() & (closure["status"] != "not_measurable")
        & (closure["subgroup"] != "unknown")
    ]  # fmt: skip
    lines: list[list[object]] = []
    for phase in first:
        for metric in metrics[metrics["phase"] == phase].sort_values("sort")["metric_id"]:
            counts = newest.loc[newest["metric_id"] == metric, "status"].value_counts().to_dict()
            if counts:
                told = [
                    Markup("<b>{}</b> {}").format(counts[code], tables.status(code, reader.say))
                    for code in words.STATUSES
                    if code in counts
                ]
                lines.append(
                    [
                        reader.metric(metric),
                        reader.say(vocabulary.PHASES[phase]),
                        Markup(" &nbsp; ").join(told),
                    ]
                )
    return lines


def _phase(reader: Reader) -> list[Block]:
    """The newest phase and how the gaps of its metrics stand, those that it is about first."""
    say, phases = reader.say, _phases(reader)
    lines = _measures(reader, PHASE_FIRST[phases[-1].phase]) if phases else []
    if not lines:
        return []
    return [Block(
        "phase", say(words.PHASES[phases[-1].phase]), [say("Phases so far: {history}.", history=_history(reader, phases))],
        table=Table(say("Gaps by race and income that can be told, what the phase asks first"), [say("Measure"), say("Phase"), say("Gaps")], lines),
    )]  # fmt: skip


def _schools(reader: Reader) -> list[Block]:
    """Schools in a phase of their own, each with what that phase asks first."""
    say = reader.say
    lines: list[list[object] | str] = []
    for school in sorted({p.school_id for p in reader.partner.programs if p.school_id}):
        if phases := _phases(reader, school):
            lines.append(f"{reader.place(school)}: {_history(reader, phases)}")
            lines += _measures(reader, PHASE_FIRST[phases[-1].phase][:1], school) or [
                [say("No gap can be told"), "", ""]
            ]
    return [Block(
        "schools", say("Schools in a phase of their own"),
        table=Table(say("Gaps by race and income that can be told, by school"), [say("Measure"), say("Phase"), say("Gaps")], lines),
    )] if lines else []  # fmt: skip


def _spoken(reader: Reader) -> dict[tuple[str, str, str, str], Row]:
    """Dimension, subgroup, construct, course experience → the newest row of the district that may be shown."""
    rows = [
        r
        for r in reader.rows("student_voice")
        if r["school_id"] == "_all" and not r["suppressed"] and r["subgroup"] != "unknown"
    ]
    latest = max((r["school_year"] for r in rows), default=None)
    return {
        (r["dimension"], r["subgroup"], r["construct"], r["course_experience"]): r
        for r in rows
        if r["school_year"] == latest
    }


def _voice(reader: Reader) -> list[Block]:
    """One line a group and scale: those in an AP or IB course beside those in none, and the group's access. What a needs assessment
    asks stands there."""
    say, spoken = reader.say, _spoken(reader)
    needs, _ = asked(reader) or (None, None)
    compared = {row["construct"] for row in reader.rows("perception_gaps") if row["survey_id"] == needs}
    at = {
        key: row for key, row in spoken.items() if not key[2].startswith(BARRIER) and key[2] not in compared
    }
    access = _access(reader)
    lines: list[list[object] | str] = []
    for construct in dict.fromkeys(key[2] for key in at):
        of = {key[:2]: row for key, row in at.items() if key[2] == construct}

        def line(row: Row, construct: str = construct) -> list[object]:
            one, other = (
                at.get((row["dimension"], row["subgroup"], construct, which))
                for which in ("ap_ib", "no_ap_ib")
            )
            ends = {
                kind: (r["favorable_low"], r["favorable_high"])
                for kind, r in (("own", one), ("other", other))
                if r
            }
            return [
                reader.group(row),
                charts.ranges(ends),
                *(reader.share(r, "favorable") for r in (one, other)),
                access.get(tuple(row[column] for column in _GROUP), HIDDEN),
            ]

        lines += [
            words.said(construct),
            *(found for found in reader.by_dimension(of.values(), line) if not isinstance(found, str)),
        ]
    if not lines:
        return []
    latest = next(iter(at.values()))["school_year"]
    return [Block(
        "voice", say("Student voice"),
        [say("Favorable answers by course experience, with the group’s access to AP and IB beside. Full dot: students in an AP or IB course. "
             "Hollow dot: students in none. Pale bar: a share that is known as a range.")],
        table=Table(say("Favorable answers, {year}", year=parts.year(latest)),
                    [say("Group"), say("From 0 to {top}", top="100%"), say("In an AP or IB course"), say("In none"), say("Access of the group")],
                    lines, frozenset({2, 3, 4}), frozenset({1})),
    )]  # fmt: skip


def _barrier(row: Row) -> str:
    return words.said(row["construct"].removeprefix(BARRIER))


def _named(reader: Reader) -> list[Row]:
    """What students without an AP or IB course name as standing in the way, the most named first: who does not answer favorably."""
    rows = [
        row | {"named_low": 1 - row["favorable_high"], "named_high": 1 - row["favorable_low"]}
        for (dimension, _, construct, which), row in _spoken(reader).items()
        if dimension == "all_students" and which == "no_ap_ib" and construct.startswith(BARRIER)
    ]
    return sorted(rows, key=lambda row: (-parts.released_middle(row, "named"), row["construct"]))


def _barriers(reader: Reader) -> list[Block]:
    """What stands in the way, by group, the most named first."""
    say, named, spoken = reader.say, _named(reader), _spoken(reader)
    if not named:
        return []
    constructs = [row["construct"] for row in named]
    silent = {
        key: row | {"named_low": 1 - row["favorable_high"], "named_high": 1 - row["favorable_low"]}
        for key, row in spoken.items() if key[2] in constructs and key[3] == "no_ap_ib"
    }  # fmt: skip
    groups = {key[:2]: row for key, row in silent.items()}
    lines = reader.by_dimension(groups.values(), lambda row: [
        reader.group(row), *(reader.bar(silent.get((row["dimension"], row["subgroup"], c, "no_ap_ib")), "named") for c in constructs)
    ])  # fmt: skip
    return [Block(
        "barriers", say("What stands in the way"),
        [say("The share of students in no AP or IB course who name it; the most named first.")],
        table=Table(say("Named as a barrier, {year}", year=parts.year(named[0]["school_year"])), [say("Group"), *map(_barrier, named)], lines,
                    frozenset(range(1, len(constructs) + 1))),
    )]  # fmt: skip


def _access(reader: Reader) -> dict[tuple[object, ...], str]:
    """School year, school, dimension, subgroup → the group's access as the gap tables tell it, where they do: a rate or a band."""
    gaps = _all_grades(reader.frames["gap_metrics"])
    told = gaps[
        (gaps["metric_id"] == "ap_ib_enrollment") & (gaps["reference"] == "overall") & gaps["rate"].notna()
    ]
    return {
        tuple(row[column] for column in _GROUP): reader.say.rate(row["rate"], row["rate_band"])
        for row in tracker.plain(told.reindex(columns=[*_GROUP, "rate", "rate_band"]))
    }


def _beliefs(reader: Reader) -> list[Block]:
    rows = [
        r
        for r in reader.rows("needs_assessment")
        if r["respondent_type"] == "staff" and r["school_id"] == "_all" and not r["suppressed"]
    ]
    if not rows:
        return []
    say, latest = reader.say, max(r["school_year"] for r in rows)
    lines = [
        [words.said(r["construct"]), charts.meter(r["favorable_low"], r["favorable_high"], kind="share"), reader.share(r, "favorable")]
        for r in rows if r["school_year"] == latest
    ]  # fmt: skip
    return [Block("beliefs", say("What staff believe"),
                  table=Table(say("Favorable answers of staff, {year}", year=parts.year(latest)), [say("About"), say("From 0 to {top}", top="100%"), say("Favorable")],
                              lines, frozenset({2}), frozenset({1})))]  # fmt: skip


def eligibility(closure: pd.DataFrame) -> pd.DataFrame:
    """Per school of the newest year: how many gaps of AP and IB enrollment by race and income can be told, how many of them are
    closing or closed, and whether the school is ready for the Tools Package: all of them, and at least one."""
    closure = _designated(closure)
    newest = closure[
        (closure["school_year"] == closure["school_year"].max()) & (closure["metric_id"] == "ap_ib_enrollment")
        & closure["dimension"].isin(_ELIGIBLE) & closure["status"].notna() & (closure["status"] != "not_measurable")
        & (closure["subgroup"] != "unknown")
    ]  # fmt: skip
    counted: pd.DataFrame = (
        newest.assign(closing=newest["status"].isin(CLOSING))
        .groupby("school_id")
        .agg(gaps=("closing", "size"), closing=("closing", "sum"))
    )
    counted["eligible"] = (counted["gaps"] > 0) & (counted["gaps"] == counted["closing"])
    return counted.reset_index()


def _eligibility(reader: Reader, ready: list[Row]) -> list[Block]:
    if not ready:
        return []
    say = reader.say
    rows = sorted(
        ready,
        key=lambda r: (
            r["school_id"] != "_all",
            not r["eligible"],
            -r["closing"] / r["gaps"],
            reader.place(r["school_id"]),
        ),
    )
    lines = [
        [reader.place(r["school_id"]), charts.meter(r["closing"] / r["gaps"], kind="share"),
         say("{closing} of {all}", closing=str(r["closing"]), all=str(r["gaps"])), reader.status(vocabulary.READY[bool(r["eligible"])])]
        for r in rows
    ]  # fmt: skip
    return [Block(
        "eligibility", say("Ready for the Tools Package?"),
        [say("Ready where every gap of AP and IB enrollment by race and income that can be told is closed or narrowing. To hand over, these have to be in place:")],
        points=[say("every gap of AP and IB enrollment by race and income is closed or narrowing"),
                say("a team of the school owns the data and its calendar of deliveries"),
                say("each closed gap has a person who watches it, and a day to look again")],
        table=Table(say("Gaps that are closed or narrowing"), [say("Place"), say("Share of gaps"), say("Gaps"), say("Tools Package")], lines,
                    frozenset({2}), frozenset({1})),
    )]  # fmt: skip


class _Adopted(NamedTuple):
    """A team's policy with the released gap that it is about, by school year, and where it stood before and stands since."""

    policy: Row
    gaps: dict[int, float]
    before: float | None
    since: int | None


def _adopted(reader: Reader) -> dict[str, list[_Adopted]]:
    """Team → its policies, in the order in which they were adopted."""
    gaps = _designated(reader.frames["gap_metrics"]).dropna(subset=["gap"])
    about = ["school_id", "metric_id", "dimension", "subgroup"]
    teams: dict[str, list[_Adopted]] = defaultdict(list)
    for row in sorted(reader.rows("leader_lab_policies"), key=lambda r: (r["team_id"], r["adopted_on"], r["policy"])):  # fmt: skip
        of = gaps[(gaps[about] == [row[c] for c in about]).all(axis=1)].sort_values("school_year")
        at = dict(zip(of["school_year"], of["gap"], strict=True))
        since = max((year for year in at if year >= row["adopted_school_year"]), default=None)
        teams[row["team_id"]].append(_Adopted(row, at, at.get(row["adopted_school_year"] - 1), since))
    return teams


def _lab(reader: Reader) -> list[Block]:
    """The cohort: each team's adopted policies with the released gap of the year before and the newest since."""
    say, teams = reader.say, _adopted(reader)
    told = [(one.before, one.gaps[one.since]) for of in teams.values() for one in of if one.before is not None and one.since is not None]  # fmt: skip
    narrower = sum(abs(since) < abs(before) for before, since in told)
    lines: list[list[object] | str] = []
    for team, adopted in teams.items():
        lines.append(
            f"{team}, {say.listed(sorted({reader.place(one.policy['school_id']) for one in adopted}))}"
        )
        for row, at, before, since in adopted:
            measure = f"{reader.metric(row['metric_id'])}, {reader.group(row)}"
            line = charts.nanoplot(list(at.values()), (min([-0.02, *at.values()]), max([0.02, *at.values()])),
                                   f"{measure}: {', '.join(f'{parts.year(y)} {words.points(g)}' for y, g in at.items())}") if len(at) > 1 else ""  # fmt: skip
            lines.append([
                parts.under(row["policy"], say("{place}, adopted {day}", place=reader.place(row["school_id"]), day=say.date(row["adopted_on"]))),
                measure, line, HIDDEN if before is None else words.points(before),
                HIDDEN if since is None else parts.under(words.points(at[since]), parts.year(since)),
            ])  # fmt: skip
    return [Block(
        "lab", say("Equity Leader Lab"),
        [say("What each team adopted, and the gap in the year before and the newest since, in percentage points. {number} of {gaps} that can be told are "
             "narrower since.", number=str(narrower), gaps=say("{n} gaps", n=len(told)))],
        table=Table(say("Adopted policies by team"), [say("Policy"), say("Gap"), say("Trend"), say("Before"), say("Since")], lines, frozenset({3, 4})),
    )] if lines else []  # fmt: skip
