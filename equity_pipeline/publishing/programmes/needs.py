"""Equity Implemented Partnership: what people said, problems in order, recommendations and the plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from markupsafe import Markup

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import charts, words
from equity_pipeline.publishing.page import Page, slug
from equity_pipeline.publishing.programmes import page as parts
from equity_pipeline.publishing.programmes import vocabulary
from equity_pipeline.publishing.programmes.evaluation import anchor
from equity_pipeline.publishing.programmes.page import HIDDEN, Answer, Block, Reader, Table
from equity_pipeline.publishing.programmes.protect import Released, Share
from equity_pipeline.publishing.programmes.vocabulary import BARRIER, WHO

KICKER = "Equity Implemented Partnership"
# How an instrument without scale scores of its own is scored (seed `survey_scoring`).
ITEMS_ONLY = "items_only"
TABLES = {
    "needs_assessment": Released(
        ("partner_id", "school_year", "survey_id", "school_id", "respondent_type", "construct", "dimension", "subgroup", "scoring", "items"),
        (Share("favorable", "respondents", "favorable_respondents"),),
        same_people=("favorable_by_answers",), means={"mean_score": "respondents"},
        indices={"alpha": "alpha_respondents", "omega": "alpha_respondents"},
    ),
    "survey_item_scores": Released(
        ("partner_id", "school_year", "survey_id", "respondent_type", "construct", "item_id", "item_text"),
        (Share("favorable", "respondents", "favorable_respondents"),),
    ),
    "survey_response_rates": Released(
        ("partner_id", "school_year", "survey_id", "school_id", "respondent_type", "dimension", "subgroup"),
        (Share("response_rate", "asked", "responded"),),
    ),
    "perception_gaps": Released(
        ("partner_id", "school_year", "survey_id", "school_id", "construct", "compared_with"),
        (Share("student_rate", "student_respondents", "student_favorable"), Share("other_rate", "other_respondents", "other_favorable")),
    ),
    "problems_of_practice": Released(
        ("partner_id", "evidence_rank", "problem_id", "statement", "focus_area", "construct", "metric_id", "dimension", "subgroup",
         "evidence_reason", "school_year"),
        (Share("rate", "n", "successes"), Share("reference_rate", "reference_n", "reference_successes", "designated")),
    ),
    "strategy_library": Released(
        ("partner_id", "focus_area", "evidence_tier", "strategy_id", "strategy_name", "evidence_source", "recommended_in", "tried_in")
    ),
    "recommendations": Released(
        ("partner_id", "plan_id", "recommendation_id", "statement", "status", "problem_id", "strategy_id", "strategy_name", "evidence_tier",
         "evidence_source", "stakeholder_group"),
        (Share("support", "feedback_answers", "supporters"),), means={"mean_support": "feedback_answers"},
    ),
    "implementation_plan": Released(
        ("partner_id", "plan_id", "step_id", "focus_area", "owner_role", "due_date", "status", "recommendation", "decided_on", "is_overdue")
    ),
}  # fmt: skip


def pages(reader: Reader) -> Iterator[Page]:
    """The needs assessment; then, where there is a plan, problems, recommendations and steps."""
    say = reader.say
    if assessment := asked(reader):
        survey, latest = assessment
        seen = _perceptions(reader, survey, latest)
        constructs = sorted(
            {r["construct"] for r in _in_district(reader, "needs_assessment", survey, latest)}
        )
        yield parts.page(
            "programmes/needs.html", say(KICKER), say("Needs assessment"), _finding(reader, seen),
            say("What students, staff and families said in {year}, where they see things differently, and who did not answer.", year=parts.year(latest)),
            [*_gaps(reader, seen, latest), *by_group(reader, survey, latest, constructs, id="groups", heading=say("What students of each group said")), *_responses(reader, survey, latest), *_scales(reader, survey, latest), *_items(reader, survey, latest)],
            _heard(reader, survey, latest),
        )  # fmt: skip
    if any(map(reader.rows, ("problems_of_practice", "implementation_plan", "strategy_library"))):
        yield parts.page(
            "programmes/plan.html", say(KICKER), say("From problems to the plan"), _stands(reader),
            say("Problems in the order of their evidence, what is recommended and who supports it, and where the plan stands."),
            [*_steps(reader), *_problems(reader), *_recommendations(reader), *_library(reader)],
            _of_plan(reader),
        )  # fmt: skip


def asked(reader: Reader) -> tuple[str, int] | None:
    """The survey that is the needs assessment, with its year: one that students and adults answered; rather one of which it is known
    how many adults were asked, then the newest."""
    invited = {
        r["survey_id"]
        for r in reader.rows("survey_response_rates")
        if r["respondent_type"] != "student" and not r["suppressed"]
    }
    both = {(r["survey_id"], r["school_year"]) for r in reader.rows("perception_gaps") if not r["suppressed"]}
    return max(both, key=lambda of: (of[0] in invited, of[1], of[0]), default=None)


def _in_district(reader: Reader, table: str, survey: str, latest: int) -> list[Row]:
    """The rows of a survey and year that may be shown, of the whole district."""
    about = (survey, latest, "_all")
    return [
        r for r in reader.rows(table) if (r["survey_id"], r["school_year"], r["school_id"]) == about and not r["suppressed"]
    ]  # fmt: skip


def _perceptions(reader: Reader, survey: str, latest: int) -> list[dict[str, Row]]:
    """Per construct who compared → row, the widest difference from students first."""
    of: dict[str, dict[str, Row]] = defaultdict(Row)
    for row in _in_district(reader, "perception_gaps", survey, latest):
        if row["student_rate_low"] is not None and row["other_rate_low"] is not None:
            of[row["construct"]][row["compared_with"]] = row
    return sorted(
        of.values(),
        key=lambda rows: (-max(map(_distance, rows.values())), next(iter(rows.values()))["construct"]),
    )


def _distance(row: Row) -> float:
    return abs(parts.released_middle(row, "other_rate") - parts.released_middle(row, "student_rate"))


def _widest(rows: dict[str, Row]) -> Row:
    return max(rows.values(), key=_distance)


def _finding(reader: Reader, seen: list[dict[str, Row]]) -> str:
    if not seen:
        return reader.say("What students and adults said can’t be compared yet")
    row = _widest(seen[0])
    return reader.say(
        "{construct}: {students} of students favorable, {others} of {who}", construct=words.said(row["construct"]),
        students=reader.share(row, "student_rate"), others=reader.share(row, "other_rate"), who=reader.say(WHO[row["compared_with"]]).lower(),
    )  # fmt: skip


def _heard(reader: Reader, survey: str, latest: int) -> Iterator[Answer]:
    """Who answered, one answer a kind of respondent; and the groups that answered least."""
    rows = _in_district(reader, "survey_response_rates", survey, latest)
    say, everyone = reader.say, {r["respondent_type"]: r for r in rows if r["dimension"] == "all_students"}
    for who in (who for who in WHO if who in everyone):
        yield Answer("#responses", say(WHO[who]), say("{share} answered", share=reader.share(everyone[who], "response_rate")),
                     say("of {number} asked", number=parts.people(everyone[who]["asked"])))  # fmt: skip
    groups = [
        r
        for r in rows
        if r["respondent_type"] == "student"
        and r["subgroup"] not in ("all", "unknown")
        and r["response_rate_low"] is not None
    ]
    if groups:
        least = min(groups, key=lambda r: (r["response_rate_high"], r["dimension"], r["subgroup"]))
        yield Answer("#responses", say("Who is heard least?"), reader.group(least),
                     say("{share} answered", share=reader.share(least, "response_rate")))  # fmt: skip


def _gaps(reader: Reader, seen: list[dict[str, Row]], latest: int) -> list[Block]:
    say, lines = reader.say, []
    for rows in seen:
        row = _widest(rows)
        ends = {
            kind: parts.apart(rows[who], "student_rate", "other_rate")[2:]
            for kind, who in (("other", "staff"), ("third", "family"))
            if who in rows
        }
        lines.append([
            words.said(row["construct"]),
            charts.ranges({"own": parts.apart(row, "student_rate", "other_rate")[:2]} | ends),
            reader.share(row, "student_rate"), *(reader.share(rows.get(who), "other_rate") for who in ("staff", "family")),
            parts.under(reader.difference(*parts.apart(row, "student_rate", "other_rate")), say("students beside {who}", who=say(WHO[row["compared_with"]]).lower())),
        ])  # fmt: skip
    return [Block(
        "perceptions", say("Where students and adults see things differently"),
        [say("The share of favorable answers; the widest difference first. Full dot: students. Hollow dot: staff. Square: families. Pale bar: a share that "
             "is known as a range.")],
        table=Table(say("Favorable answers, {year}", year=parts.year(latest)),
                    [say("Construct"), say("From 0 to {top}", top="100%"), *map(say, WHO.values()), say("Points apart")], lines,
                    frozenset({2, 3, 4, 5}), frozenset({1})),
    )] if lines else []  # fmt: skip


def _scales(reader: Reader, survey: str, latest: int) -> list[Block]:
    """The three scores of each scale, that in bold by which its instrument reports; none where it reports by questions alone."""
    say = reader.say

    def scores(row: Row) -> list[object]:
        told = {
            "favorable_by_respondents": reader.share(row, "favorable"),
            "favorable_by_answers": reader.share(row, "favorable_by_answers"),
            "mean_score": HIDDEN if row["mean_score"] is None else f"{row['mean_score']:.1f}",
        }
        if row["scoring"] == ITEMS_ONLY:
            return [HIDDEN for _ in told]
        return [Markup("<b>{}</b>").format(said) if score == row["scoring"] else said for score, said in told.items()]  # fmt: skip

    lines = [
        [words.said(r["construct"]), say(WHO[r["respondent_type"]]), parts.people(r["respondents"]), *scores(r),
         *(HIDDEN if r[c] is None else f"{r[c]:.2f}" for c in ("alpha", "omega"))]
        for r in _in_district(reader, "needs_assessment", survey, latest) if r["dimension"] == "all_students"
    ]  # fmt: skip
    return [Block(
        "scales", say("Scale scores and how far they can be trusted"),
        [say("Favorable: the mean of each person’s share of answers in the favorable options, every person one weight. By answers: the same "
             "with every answer one weight, as PERTS and Panorama report it. A skipped question is no answer. In bold: the score that the "
             "instrument reports; a scale without one is reported question by question. Reliability: Cronbach’s alpha and McDonald’s omega of "
             "those who answered every question; 0.7 and more is usual for a comparison of groups.")],
        table=Table(say("Survey {survey}, {year}", survey=survey, year=parts.year(latest)),
                    [say("Construct"), say("Who"), say("Answered"), say("Favorable"), say("By answers"), say("Mean"), say("Alpha"), say("Omega")],
                    lines, frozenset({2, 3, 4, 5, 6, 7})),
    )] if lines else []  # fmt: skip


def _items(reader: Reader, survey: str, latest: int) -> list[Block]:
    """A line a question, under the heading of its construct."""
    say = reader.say
    of: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in reader.rows("survey_item_scores"):
        if (row["survey_id"], row["school_year"]) == (survey, latest) and not row["suppressed"]:
            of[row["construct"], row["item_id"]][row["respondent_type"]] = row
    answered = [who for who in WHO if any(who in rows for rows in of.values())]
    lines: list[list[object] | str] = []
    for (construct, item), rows in sorted(of.items()):
        if (heading := words.said(construct)) not in lines:
            lines.append(heading)
        text = next(iter(rows.values()))["item_text"] or item
        lines.append([text, *(reader.bar(rows.get(who), "favorable") for who in answered)])
    return [Block(
        "items", say("Question by question"),
        [say("Of those who answered a question, the share in the favorable options; of a question worded the other way round, in those that are unfavorable as written.")],
        table=Table(say("Favorable answers by question, {year}", year=parts.year(latest)), [say("Question"), *(say(WHO[who]) for who in answered)], lines,
                    frozenset(range(1, 1 + len(answered)))),
    )] if lines else []  # fmt: skip


def by_group(
    reader: Reader, survey: str, latest: int, constructs: list[str], *, id: str, heading: str, fewest: int = 0
) -> list[Block]:
    """A table of the favorable answers of students to scales of a survey, a line a group of at least so many who answered."""
    of = [
        r for r in _in_district(reader, "needs_assessment", survey, latest)
        if r["respondent_type"] == "student" and r["construct"] in constructs and r["respondents"] >= fewest
    ]  # fmt: skip
    at = {(r["dimension"], r["subgroup"], r["construct"]): r for r in of}
    groups = {key[:2]: row for key, row in at.items()}
    lines = reader.by_dimension(groups.values(), lambda row: [
        reader.group(row), *(reader.bar(at.get((row["dimension"], row["subgroup"], c)), "favorable") for c in constructs)
    ])  # fmt: skip
    return [Block(
        id, heading,
        table=Table(reader.say("Favorable answers of students, {survey}, {year}", survey=words.said(survey), year=parts.year(latest)),
                    [reader.say("Group"), *map(words.said, constructs)], lines, frozenset(range(1, len(constructs) + 1))),
    )] if lines else []  # fmt: skip


def climate_surveys(reader: Reader, fewest: int = 0) -> list[Block]:
    """The scales of the newest year of each survey of students that is not the needs assessment, by group; what is asked yes or no
    about barriers stands beside access. `fewest`: of how many who answered a group is shown at all."""
    needs, _ = asked(reader) or (None, None)
    surveys: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in reader.rows("needs_assessment"):
        if row["respondent_type"] == "student" and row["school_id"] == "_all" and not row["suppressed"]:
            surveys[row["survey_id"]][row["school_year"]].add(row["construct"])
    return [
        block
        for survey, years in sorted(surveys.items())
        if survey != needs and not any(c.startswith(BARRIER) for c in years[max(years)])
        for block in by_group(reader, survey, max(years), sorted(years[max(years)]), id=f"survey-{slug(survey)}",
                              heading=reader.say("What students of each group say: {survey}", survey=words.said(survey)), fewest=fewest)
    ]  # fmt: skip


def _responses(reader: Reader, survey: str, latest: int) -> list[Block]:
    say, rows = reader.say, _in_district(reader, "survey_response_rates", survey, latest)

    def line(row: Row) -> list[object]:
        silent = {"r_low": 1 - row["response_rate_high"], "r_high": 1 - row["response_rate_low"]}
        who = reader.group(row) if row["subgroup"] != "all" else say(WHO[row["respondent_type"]])
        return [who, parts.people(row["asked"]), reader.bar(row, "response_rate"), reader.share(silent, "r")]

    rows = [row for row in rows if row["response_rate_low"] is not None]
    adults = [line(row) for who in ("staff", "family") for row in rows if row["respondent_type"] == who]
    lines = [
        *adults,
        *reader.by_dimension((row for row in rows if row["respondent_type"] == "student"), line),
    ]
    return [Block(
        "responses", say("Who answered, and who did not"),
        [say("What those think who did not answer is not known; a group that answered little is heard little here.")],
        table=Table(say("Response, {year}", year=parts.year(latest)), [say("Who"), say("Asked"), say("Answered"), say("Did not answer")], lines,
                    frozenset({1, 2, 3})),
    )] if lines else []  # fmt: skip


# --- From problems to the plan --------------------------------------------------------------------------------------


def _counts(reader: Reader) -> dict[str, int]:
    """Words of where the steps of the plan stand → how many, the most urgent first."""
    rows = reader.rows("implementation_plan")
    order = [vocabulary.OVERDUE, *vocabulary.PLAN_STEPS.values()]
    standing = [_where(row) for row in rows]
    return {step.words: standing.count(step) for step in order if step in standing}


def _where(row: Row) -> vocabulary.Step | None:
    return vocabulary.OVERDUE if row["is_overdue"] else vocabulary.PLAN_STEPS.get(row["status"])


def _stands(reader: Reader) -> str:
    say, steps = reader.say, len(reader.rows("implementation_plan"))
    if not steps:
        return say("Problems are named; no step is planned yet")
    counts = [
        say("{number} {what}", number=str(n), what=say(what).lower()) for what, n in _counts(reader).items()
    ]
    return say("{steps}: {counts}", steps=say("{n} steps of the plan", n=steps), counts=say.listed(counts)) if counts else say("{n} steps of the plan", n=steps)  # fmt: skip


def _of_plan(reader: Reader) -> Iterator[Answer]:
    say = reader.say
    late = [row for row in reader.rows("implementation_plan") if row["is_overdue"]]
    if late:
        yield Answer("#steps", say("What is overdue?"), say("{n} steps", n=len(late)),
                     say.listed(sorted({row["owner_role"] for row in late if row["owner_role"]}), 2))  # fmt: skip
    problems = sorted(reader.rows("problems_of_practice"), key=lambda row: row["evidence_rank"])
    if problems:
        yield Answer(
            "#problems",
            say("Which problem has the strongest evidence?"),
            problems[0]["statement"],
            _reason(reader, problems[0]),
        )
    status = [row["status"] for rows in _recommended(reader).values() for row in rows[:1]]
    if status:
        yield Answer("#recommendations", say("What is recommended?"), say("{n} recommendations", n=len(status)),
                     say("{number} accepted", number=str(status.count("accepted"))))  # fmt: skip


def _reason(reader: Reader, row: Row) -> str:
    if row["suppressed"] or row["rate_low"] is None or row["reference_rate_low"] is None:
        return reader.say("no evidence on file that can be shown")
    against = (row["evidence_reason"] or "").removeprefix("students and ")
    if against in WHO:
        return reader.say(
            "students {rate}, {who} {other}",
            rate=reader.share(row),
            who=reader.say(WHO[against]).lower(),
            other=reader.share(row, "reference_rate"),
        )
    return reader.say("{rate}, compared with {other}", rate=reader.share(row), other=reader.share(row, "reference_rate"))  # fmt: skip


def _problems(reader: Reader) -> list[Block]:
    say, lines = reader.say, []
    for r in sorted(reader.rows("problems_of_practice"), key=lambda row: row["evidence_rank"]):
        about = (
            f"{reader.metric(r['metric_id'])}, {reader.group(r)}"
            if r["metric_id"]
            else words.said(r["construct"] or "")
        )
        ends = parts.apart(r, "rate", "reference_rate")
        picture = (
            "" if None in ends or r["suppressed"] else charts.ranges({"own": ends[:2], "other": ends[2:]})
        )
        lines.append([
            parts.under(f"{r['evidence_rank']}. {r['statement']}", say(vocabulary.AREAS[r["focus_area"]])), about, picture, _reason(reader, r)
        ])  # fmt: skip
    return [Block(
        "problems", say("Problems of practice"),
        [say("In the order of their evidence, by Cohen’s h. Full dot: what the problem is about. Hollow dot: what it is compared with.")],
        table=Table(say("Problems and what they rest on"), [say("Problem"), say("Evidence from"), say("From 0 to {top}", top="100%"), say("Evidence")], lines,
                    pictures=frozenset({2})),
    )] if lines else []  # fmt: skip


def _recommended(reader: Reader) -> dict[tuple[str, str], list[Row]]:
    """Plan and recommendation → its rows, one a stakeholder group."""
    of = defaultdict(list)
    for row in reader.rows("recommendations"):
        of[row["plan_id"], row["recommendation_id"]].append(row)
    return dict(sorted(of.items()))


def _recommendations(reader: Reader) -> list[Block]:
    say, recommended = reader.say, _recommended(reader)
    groups = [
        group for group in vocabulary.STAKEHOLDERS
        if any(r["stakeholder_group"] == group and not r["suppressed"] for rows in recommended.values() for r in rows)
    ]  # fmt: skip
    lines = []
    for (_, name), rows in recommended.items():
        first, support = rows[0], {r["stakeholder_group"]: r for r in rows if not r["suppressed"]}
        strategy = (
            say("{strategy}; ESSA tier {tier} ({words}); {source}", strategy=first["strategy_name"], tier=first["evidence_tier"],
                words=say(vocabulary.TIERS[first["evidence_tier"]]), source=first["evidence_source"])
            if first["strategy_name"] and first["evidence_tier"] in vocabulary.TIERS else first["strategy_name"] or ""
        )  # fmt: skip
        status = reader.status(vocabulary.RECOMMENDED[first["status"]]) if first["status"] else Markup("")
        lines.append([parts.under(f"{name}. {first['statement']}", strategy), status,
                      *(_supported(reader, support.get(group)) for group in groups)])  # fmt: skip
    return [Block(
        "recommendations", say("Recommendations, and who supports them"),
        [say("Support: the share of a stakeholder group of the task force that answered 4 or 5 of 5. Groups of fewer people than may be shown are left out.")],
        table=Table(say("Support by stakeholder group"), [say("Recommendation"), say("Status"), *(say(vocabulary.STAKEHOLDERS[group]) for group in groups)], lines,
                    frozenset(range(2, 2 + len(groups)))),
    )] if lines else []  # fmt: skip


def _supported(reader: Reader, row: Row | None) -> Markup:
    """The share that supports it, and the mean answer."""
    mean = "" if row is None or row["mean_support"] is None else reader.say("mean {mean} of 5", mean=f"{row['mean_support']:.1f}")  # fmt: skip
    return parts.under(reader.bar(row, "support"), mean)


def _library(reader: Reader) -> list[Block]:
    """The strategies that were looked at, an area after the other, the strongest evidence first."""
    say = reader.say
    tried = {row["initiative_id"]: row["initiative_name"] for row in reader.rows("initiative_evaluation")}
    lines: list[list[object] | str] = []
    for row in sorted(
        reader.rows("strategy_library"),
        key=lambda r: (list(vocabulary.AREAS).index(r["focus_area"]), r["evidence_tier"], r["strategy_id"]),
    ):
        if (area := say(vocabulary.AREAS[row["focus_area"]])) not in lines:
            lines.append(area)
        here = [
            Markup('<a href="evaluation.html#{}">{}</a>').format(anchor(initiative), tried[initiative])
            for initiative in (row["tried_in"] or "").split(";") if initiative in tried
        ]  # fmt: skip
        lines.append([
            parts.under(row["strategy_name"], row["evidence_source"]),
            say("{tier}, {words}", tier=row["evidence_tier"], words=say(vocabulary.TIERS[row["evidence_tier"]])),
            say.listed((row["recommended_in"] or HIDDEN).split(";")), say.listed(here) or HIDDEN,
        ])  # fmt: skip
    return [Block(
        "library", say("Strategy library"),
        [say("What the task force chose from. The tier says how strong the evidence is that a strategy works somewhere (Every Student Succeeds Act, 1 is the "
             "strongest); whether it works here is for the evaluation to say.")],
        table=Table(say("Strategies by focus area"), [say("Strategy"), say("ESSA tier"), say("Recommended in"), say("Tried here as")], lines),
    )] if lines else []  # fmt: skip


def _steps(reader: Reader) -> list[Block]:
    say = reader.say
    rows = sorted(
        reader.rows("implementation_plan"),
        key=lambda r: (not r["is_overdue"], str(r["due_date"]), r["step_id"]),
    )
    statements = {name: rows[0]["statement"] for (_, name), rows in _recommended(reader).items()}
    lines = [
        [parts.under(statements.get(r["recommendation"], r["recommendation"] or r["step_id"]),
                     " · ".join(filter(None, (r["step_id"], say(vocabulary.AREAS.get(r["focus_area"], words.said(r["focus_area"] or ""))))))),
         r["owner_role"] or HIDDEN, say.date(r["due_date"]),
         reader.status(step) if (step := _where(r)) else words.said(r["status"] or "")]
        for r in rows
    ]  # fmt: skip
    return [Block(
        "steps", say("Implementation plan"), [say("Overdue is judged by the newest day that the data knows.")],
        table=Table(say("Steps, the overdue first, then by their day"), [say("Step"), say("Owner"), say("Due"), say("Status")], lines),
    )] if lines else []  # fmt: skip
