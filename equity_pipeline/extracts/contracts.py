"""The canonical extracts: columns, types, allowed values and rules, each stated once.

Belongs here: what a row must be, whatever file it came from. Does not belong here: any source's names or codes, and
anything about several rows but their key.

`typed` turns text into typed columns and marks the first fault of each row, so that one wrong value costs its row
and no other. `schema` is the same contract for pandera, the gate that everything stored has passed.
Columns and allowed values: contracts page; grade, race and sex options: CEDS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import polars as pl

from equity_pipeline.extracts.distinct import by_distinct
from equity_pipeline.extracts.programme_contracts import PROGRAMMES

if TYPE_CHECKING:
    import pandera.polars as pa

FAULT = "_fault"
IDENTITY = ("last_name", "first_name", "birth_date")
"""What a source may map for an extract with a `match_key`: the key is made of all three, and names are stored nowhere."""

GRADES = ("IT", "PR", "PK", "TK", "KG", *(f"{grade:02d}" for grade in range(1, 14)), "PS", "UG")
RACES = (
    "AmericanIndianOrAlaskaNative",
    "Asian",
    "BlackOrAfricanAmerican",
    "DemographicRaceTwoOrMoreRaces",
    "MiddleEasternOrNorthAfrican",
    "NativeHawaiianOrPacificIslander",
    "White",
)
_GRADE_WRITINGS = {"k": "KG"} | {
    writing: f"{grade:02d}"
    for grade in range(1, 14)
    for writing in (f"{grade}", f"{grade}.0", f"{grade:02d}.0")
}
# Not `F`: in a lunch status it means free, not false.
_YES_NO_WRITINGS = {"true": "yes", "y": "yes", "false": "no", "n": "no"}
_TYPES = {
    "text": pl.String, "integer": pl.Int32, "year": pl.Int32, "number": pl.Float64, "date": pl.Date,
}  # fmt: skip
_EXPECTED = {
    "integer": "a whole number",
    "year": "a school year (2026 or 2025-26)",
    "number": "a number",
    "date": "a date (2025-08-31)",
}
_FIRST_DAY, _LAST_DAY = dt.date(1900, 1, 1), dt.date(2100, 12, 31)


@dataclass(frozen=True)
class Column:
    """One canonical column. `allowed` and `writings` (lower-case writing → canonical value) hold for text."""

    name: str
    type: str = "text"
    required: bool = False
    allowed: tuple[str, ...] | None = None
    writings: dict[str, str] = field(default_factory=dict)
    several: bool = False  # a `;`-separated set of allowed values
    pattern: str | None = None
    low: float | dt.date | None = None
    high: float | dt.date | None = None

    @property
    def dtype(self) -> type[pl.DataType]:
        return _TYPES[self.type]

    @property
    def expectation(self) -> str:
        """What a person is told when a value is refused."""
        if self.several:
            return f"names of {', '.join(self.allowed)} with ; between them"
        if self.allowed:
            return f"one of {', '.join(self.allowed)}"
        if self.pattern:
            return f"of the form {self.pattern}"
        return _EXPECTED[self.type]

    def text(self) -> pl.Expr:
        """The delivered text in canonical writing; empty is null."""
        text = pl.col(self.name).str.strip_chars()
        text = pl.when(text != "").then(text)
        writings = {value.lower(): value for value in self.allowed or ()} | self.writings
        if not writings:
            return text
        if not self.several:
            return text.str.to_lowercase().replace_strict(writings, default=text, return_dtype=pl.String)
        one = pl.element().str.strip_chars()
        names = text.str.split(";").list.eval(
            one.filter(one != "").str.to_lowercase().replace_strict(writings, default=one.filter(one != ""))
        )
        return names.list.unique().list.sort().list.join(";").replace("", None)

    def value(self) -> pl.Expr:
        """The typed value, null where the text does not say one."""
        text = self.text()
        match self.type:
            case "integer":
                return text.str.extract(r"^([+-]?\d+)(?:\.0*)?$").cast(pl.Int32, strict=False)
            case "year":
                return school_year(text)
            case "number":
                number = text.cast(pl.Float64, strict=False)
                return pl.when(number.is_finite()).then(number)
            case "date":
                midnight = r"(?:[T ]00:00(?::00(?:\.0+)?)?Z?)?"
                return text.str.extract(rf"^(\d{{4}}-\d{{2}}-\d{{2}}){midnight}$").str.to_date(
                    "%Y-%m-%d", strict=False
                )
        return text


@dataclass(frozen=True)
class Rule:
    """A rule over several columns of one row. `holds` is null, and the rule kept, where a value is not known."""

    column: str
    reason: str
    holds: pl.Expr


@dataclass(frozen=True)
class Fault:
    """Why a row is rejected: the column and a reason that carries no value."""

    column: str
    reason: str
    fails: pl.Expr


@dataclass(frozen=True)
class Extract:
    """The contract of one extract.

    `key`: the columns by which two rows speak of the same thing, within a partner and school year; empty where rows
    have no identity (anonymous feedback). `year`: the column that says the school year, None for reference tables.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    best: str | None = None

    @property
    def year(self) -> str | None:
        return next((column.name for column in self.columns if column.type == "year"), None)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.required)

    @property
    def stored(self) -> dict[str, type[pl.DataType]]:
        """Columns and types of the stored rows: all but `school_year`, which is the folder's name."""
        return {column.name: column.dtype for column in self.columns if column.name != "school_year"}

    def value_faults(self) -> tuple[Fault, ...]:
        """Everything that can be wrong with the values that are there, in the order in which it is reported."""
        return (
            *self._column_faults(),
            *(Fault(rule.column, rule.reason, ~rule.holds) for rule in self.rules),
        )

    def _column_faults(self) -> tuple[Fault, ...]:
        faults = []
        for column in self.columns:
            here = pl.col(column.name)
            if column.several:
                one = "|".join(column.allowed)
                faults.append((column, ~here.str.contains(f"^(?:{one})(?:;(?:{one}))*$")))
            elif column.allowed:
                faults.append((column, ~here.is_in(column.allowed)))
            if column.pattern:
                faults.append((column, ~here.str.contains(column.pattern)))
            if column.low is not None:
                faults.append((column, here < column.low, f"is below {column.low}"))
            if column.high is not None:
                faults.append((column, here > column.high, f"is above {column.high}"))
        return tuple(
            Fault(
                column.name, f"{column.name} {reason[0] if reason else 'is not ' + column.expectation}", fails
            )
            for column, fails, *reason in faults
        )

    def missing_faults(self, columns: Iterable[str]) -> tuple[Fault, ...]:
        """The fault `is missing` of each of these columns."""
        return tuple(Fault(name, f"{name} is missing", pl.col(name).is_null()) for name in columns)

    def type_faults(self) -> tuple[Fault, ...]:
        """Text that is there and is no value of its column's type; to be asked of the text columns."""
        return tuple(
            Fault(c.name, f"{c.name} is not {c.expectation}", c.text().is_not_null() & c.value().is_null())
            for c in self.columns
            if c.type != "text"
        )

    def faults(self, required: Iterable[str]) -> tuple[Fault, ...]:
        """All faults in the order that `typed` numbers them."""
        return (*self.type_faults(), *self.missing_faults(required), *self.value_faults())

    def typed(self, rows: pl.DataFrame, required: Iterable[str]) -> pl.DataFrame:
        """Text rows → every column of the contract in its type, the other columns of `rows` as they are (`_file` …),
        and `_fault`: the position in `faults(required)` of the first thing wrong with the row, or null."""
        required = tuple(required)
        faults = dict(enumerate(self.faults(required)))
        types = range(len(self.type_faults()))
        rules = range(len(faults) - len(self.rules), len(faults))

        def judged(column: Column, texts: pl.DataFrame) -> pl.DataFrame:
            mine = {number: fault for number, fault in faults.items() if fault.column == column.name}
            of_text = {number: fault for number, fault in mine.items() if number in types}
            of_value = {n: fault for n, fault in mine.items() if n not in types and n not in rules}
            values = texts.lazy().select(column.value().alias(column.name), _first(of_text).alias(FAULT))
            return values.with_columns(pl.coalesce(FAULT, _first(of_value)).alias(FAULT)).collect()

        values, found = [], []
        for column in self.columns:
            if column.name in rows.columns:
                text = rows[column.name]
            else:
                text = pl.repeat(None, rows.height, dtype=pl.String, eager=True).alias(column.name)
            value, fault = by_distinct(text, partial(judged, column))
            values.append(value)
            if fault.null_count() < len(fault):
                found.append(fault)
        names = {column.name for column in self.columns}
        others = rows.select(name for name in rows.columns if name not in names)
        typed = pl.DataFrame(values).hstack(others)
        of_rules = _first({number: faults[number] for number in rules})
        return typed.with_columns(
            pl.coalesce(pl.min_horizontal(pl.lit(None, pl.Int32), *found), of_rules).alias(FAULT)
        )


def _first(faults: Mapping[int, Fault]) -> pl.Expr:
    """The number of the first fault that a row has, or null."""
    return pl.coalesce(
        pl.lit(None, pl.Int32),
        *(pl.when(fault.fails).then(pl.lit(number, pl.Int32)) for number, fault in faults.items()),
    )


def school_year(text: pl.Expr) -> pl.Expr:
    """`2025-26`, `2025-2026`, `2025/26`, `2026` or `2026.0` → 2026 (the ending year, CEDS), else null.

    Years outside 1990 to 2100 are null too: they are slips, and would become folders.
    """
    text = text.str.strip_chars()
    start = text.str.extract(r"^(\d{4})\s*[-/–]\s*(?:\d{2}|\d{4})$").cast(pl.Int32)
    end = text.str.extract(r"^\d{4}\s*[-/–]\s*(\d{2}|\d{4})$").cast(pl.Int32)
    follows = pl.when(end < 100).then((start + 1) % 100 == end).otherwise(start + 1 == end)
    year = pl.coalesce(
        text.str.extract(r"^(\d{4})(?:\.0+)?$").cast(pl.Int32), pl.when(follows).then(start + 1)
    )
    return pl.when(year.is_between(1990, 2100)).then(year)


def _columns(*declared: str | tuple[str, ...] | Column) -> tuple[Column, ...]:
    """`name`, `name*` (required), `name: type` and (name, its allowed values) → columns."""
    types = {
        "yes_no": {"allowed": ("yes", "no", "unknown"), "writings": _YES_NO_WRITINGS},
        "grade": {"allowed": GRADES, "writings": _GRADE_WRITINGS},
        "date": {"type": "date", "low": _FIRST_DAY, "high": _LAST_DAY},
        "count": {"type": "integer", "low": 0},
        "amount": {"type": "number", "low": 0},
        "number": {"type": "number"},
        "share": {"type": "number", "low": 0, "high": 1},
        "year": {"type": "year"},
        "text": {},
    }
    columns = []
    for one in declared:
        if isinstance(one, str):
            name, _, type_ = one.partition(": ")
            one = Column(name.rstrip("*"), required=name.endswith("*"), **types[type_ or "text"])
        elif isinstance(one, tuple):
            one = _choice(*one)
        columns.append(one)
    return tuple(columns)


def _choice(name: str, *allowed: str, **writings: str) -> Column:
    return Column(name.rstrip("*"), required=name.endswith("*"), allowed=allowed, writings=writings)


def _in_order(first: str, then: str) -> Rule:
    return Rule(then, f"{then} lies before {first}", pl.col(then) >= pl.col(first))


def _at_most(part: str, whole: str) -> Rule:
    return Rule(part, f"{part} is more than {whole}", pl.col(part) <= pl.col(whole))


def _score_range(program: str, low: int, high: int) -> Rule:
    return Rule(
        "score",
        f"score of {program} is not {low} to {high}",
        (pl.col("program") != program) | pl.col("score").is_between(low, high),
    )


_RANK = {grade: rank for rank, grade in enumerate(GRADES)}

EXTRACTS: dict[str, Extract] = {
    extract.name: extract
    for extract in (
        Extract(
            "schools",
            ("school_id",),
            _columns("school_id*", "school_name*", "nces_school_id", "grade_low: grade", "grade_high: grade"),
            (
                Rule(
                    "grade_high",
                    "grade_high lies below grade_low",
                    pl.col("grade_high").replace_strict(_RANK, default=None)
                    >= pl.col("grade_low").replace_strict(_RANK, default=None),
                ),
            ),
        ),
        Extract(
            "students",
            ("student_id",),
            _columns(
                "school_year*: year",
                "student_id*",
                "grade_level*: grade",
                _choice("sex", "female", "male", "nonbinary", "unknown", f="female", m="male"),
                "hispanic_latino: yes_no",
                Column("races", allowed=RACES, several=True),
                _choice("race_standard", "1997", "2024"),
                "economically_disadvantaged: yes_no",
                "econ_basis",
                _choice("english_learner", "current", "former", "never", "unknown"),
                "english_learner_exit_date: date",
                "disability_idea: yes_no",
                "section_504: yes_no",
                "homeless: yes_no",
                "foster_care: yes_no",
                "first_generation: yes_no",
                "gender_identity",
                "gpa: amount",
                "birth_date: date",
                "state_id",
                "match_key",
            ),
        ),
        Extract(
            "school_enrollments",
            ("student_id", "school_id", "entry_date"),
            _columns(
                "school_year*: year", "student_id*", "school_id*", "entry_date*: date", "exit_date: date",
                "is_primary: yes_no",
            ),
            (_in_order("entry_date", "exit_date"),),
        ),
        Extract(
            "courses",
            ("school_id", "course_id"),
            _columns(
                "school_year*: year",
                "school_id",
                "course_id*",
                "course_title*",
                # Five digits, then level, credits and sequence where a state sends the long form (SCED).
                Column("sced_code", pattern=r"^\d{5}[A-Z0-9.]*$"),
                "course_level",
                "subject",
                "credits: amount",
            ),
        ),
        Extract(
            "course_enrollments",
            ("student_id", "school_id", "course_id", "section_id", "term", "entry_date"),
            _columns(
                "school_year*: year", "student_id*", "school_id*", "course_id*", "section_id", "term",
                "entry_date: date", "exit_date: date", "final_grade", "dropped: yes_no",
            ),
            (_in_order("entry_date", "exit_date"),),
        ),
        Extract(
            "exam_results",
            ("student_id", "program", "exam_code"),
            _columns(
                "exam_year*: year", "student_id*", _choice("program*", "ap", "ib", "aice"), "exam_code*", "exam_name",
                Column("score", "integer"), "state_id", "match_key",
                _choice("matched_by", "state_id", "birth_date_and_name"),
            ),
            (_score_range("ap", 1, 5), _score_range("ib", 1, 7)),
            best="score",
        ),
        Extract(
            "readiness_scores",
            ("student_id", "assessment", "section"),
            _columns(
                "school_year*: year", "student_id*",
                _choice("assessment*", "psat_8_9", "psat_10", "psat_nmsqt", "sat"),
                # The last two: before 2016.
                _choice(
                    "section*", "total", "ebrw", "math", "reading_test", "writing_language_test", "math_test",
                    "critical_reading", "writing",
                ),
                Column("score", "number", required=True),
            ),
            (
                # Sections have 120 (PSAT 8/9) to 800 points, tests 6 to 40: AP Potential knows both.
                Rule(
                    "score",
                    "score is not on the scale of its section",
                    pl.when(pl.col("section").str.ends_with("_test"))
                    .then(pl.col("score").is_between(6, 40))
                    .otherwise(pl.col("score").is_between(120, 2400)),
                ),
            ),
            best="score",
        ),
        Extract(
            "attendance",
            ("student_id", "school_id"),
            _columns(
                "school_year*: year", "student_id*", "school_id*", "days_enrolled*: amount", "days_absent*: amount"
            ),
            (_at_most("days_absent", "days_enrolled"),),
        ),
        Extract(
            "discipline",
            ("student_id", "incident_id", "action"),
            _columns(
                "school_year*: year", "student_id*", "school_id*", "incident_id*", "incident_date*: date",
                # An open list, but `OSS` is no other action than `oss`.
                Column("action", required=True, writings={a: a for a in ("iss", "oss", "expulsion", "referral")}),
                "days: amount", "behavior",
                # On the day of the incident; students of both are IDEA (CRDC). Not said: the status of the school year.
                _choice("disability_status", "idea", "section_504", "none"),
            ),
        ),
        Extract(
            "survey_responses",
            ("survey_id", "respondent_type", "respondent_id", "item_id", "submission"),
            _columns(
                "school_year*: year", "survey_id*", _choice("respondent_type*", "student", "staff", "family"),
                "respondent_id*", "student_id", "school_id*", "item_id*", "response", "submitted_at",
                # Of several submissions of one respondent the first, or the only one without a number, counts.
                Column("submission", "integer", low=1),
                Column("mark", allowed=("duplicate", "other_respondent_type", "unknown_respondent"), several=True),
            ),
            best="submitted_at",
        ),
        Extract(
            "survey_items",
            ("survey_id", "item_id"),
            _columns(
                "survey_id*", "item_id*", "construct*", "text", "scale_min: number", "scale_max: number", "favorable",
                "reverse: yes_no", "instrument",
            ),
            (_at_most("scale_min", "scale_max"),),
        ),
        Extract(
            "class_ratings",
            ("school_id", "section_id", "resource", "window", "instrument", "observed_on"),
            _columns(
                "school_year*: year", "school_id*", "section_id*",
                _choice("resource*", "assignments", "instruction", "engagement", "expectations"),
                "window", "instrument*", "rating*: amount", "rating_max*: amount", "observed_on: date",
            ),
            (
                _at_most("rating", "rating_max"),
                Rule("rating_max", "rating_max is not above 0", pl.col("rating_max") > 0),
            ),
        ),
        Extract(
            "aggregate_counts",
            ("school_id", "grade_level", "metric_id", "dimension", "subgroup"),
            _columns(
                "school_year*: year", "school_id*",
                Column("grade_level", allowed=(*GRADES, "_all"), writings=_GRADE_WRITINGS),
                "metric_id*", "dimension*", "subgroup*", "n*: count", "successes*: count",
            ),
            (_at_most("successes", "n"),),
        ),
        Extract(
            "initiatives",
            ("initiative_id",),
            _columns(
                "initiative_id*", "name*", "focus_area", "strategy_id", "school_id", "start_date*: date",
                "end_date: date", "evidence_tier", "metric_id",
            ),
            (_in_order("start_date", "end_date"),),
        ),
        Extract(
            "initiative_members",
            ("initiative_id", "student_id", "section_id", "school_id", "start_date"),
            _columns(
                "initiative_id*", "student_id", "section_id", "school_id", "start_date: date", "end_date: date"
            ),
            (
                _in_order("start_date", "end_date"),
                Rule(
                    "student_id",
                    "not exactly one of student_id, section_id and school_id is filled",
                    pl.sum_horizontal(
                        pl.col("student_id", "section_id", "school_id").is_not_null().cast(pl.Int32)
                    ) == 1,
                ),
            ),
        ),
        Extract(
            "action_steps",
            ("plan_id", "step_id"),
            _columns(
                "plan_id*", "step_id*", "focus_area*", "owner_role", "due_date: date", "status", "recommendation",
                "decided_by", "decided_on: date",
            ),
        ),
        Extract(
            "task_force_feedback",
            (),
            _columns(
                "plan_id*", "recommendation_id*",
                _choice("stakeholder_group*", "students", "families", "staff", "leaders", "community"),
                Column("support", "integer", low=1, high=5), "comment_theme",
            ),
        ),
    )
} | {
    one.name: Extract(
        one.name, one.key, _columns(*one.columns), tuple(_in_order(first, then) for first, then in one.in_order)
    )
    for one in PROGRAMMES
}  # fmt: skip


@lru_cache
def schema(extract: str, unique: bool = True) -> pa.DataFrameSchema:
    """The pandera schema of an extract's rows as `Extract.typed` gives them, for eager polars frames (a lazy frame
    would only have its names and types checked). Every rule of the contract is one check; the key is unique,
    unless the rows are not all there yet."""
    import pandera.polars as pa  # takes a second, and only a step that stores rows needs it

    contract = EXTRACTS[extract]

    def check(fault: Fault) -> pa.Check:
        return pa.Check(
            lambda data: data.lazyframe.select((~fault.fails).fill_null(True)), error=fault.reason
        )

    return pa.DataFrameSchema(
        {c.name: pa.Column(c.dtype, nullable=not c.required) for c in contract.columns},
        checks=[check(fault) for fault in contract.value_faults()],
        strict=True,
        ordered=True,
        unique=list(contract.key) if unique and contract.key else None,
        name=extract,
    )
