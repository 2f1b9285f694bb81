"""What a contract is: columns, types, allowed values and rules, and how text rows are judged by them.

Belongs here: what can be said of any extract. Does not belong here: any one extract (canonical, programmes).

`Typing` turns text into typed columns and marks the first fault of each row, so that one wrong value costs its row
and no other. `gate` is the same contract for pandera, which everything stored has passed.
Grade options: CEDS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from equity_pipeline.contracts.distinct import Distinct, Work, plain

FAULT = "_fault"
GRADES = ("IT", "PR", "PK", "TK", "KG", *(f"{grade:02d}" for grade in range(1, 14)), "PS", "UG")
GRADE_WRITINGS = {"k": "KG"} | {
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
PolarsType = type[pl.DataType]
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
    def dtype(self) -> PolarsType:
        """Its type once it is validated."""
        return _TYPES[self.type]

    @property
    def expectation(self) -> str:
        """What a person is told when a value is refused."""
        if self.several and self.allowed:
            return f"names of {', '.join(self.allowed)} with ; between them"
        if self.allowed:
            return f"one of {', '.join(self.allowed)}"
        if self.pattern:
            return f"of the form {self.pattern}"
        return _EXPECTED[self.type]

    def text(self) -> pl.Expr:
        """The delivered text in canonical writing; empty is null."""
        text = pl.col(self.name).str.strip_chars().replace("", None)
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
                return text.str.extract(r"^([+-]?[0-9]+)(?:\.0*)?$").cast(pl.Int32, strict=False)
            case "year":
                return school_year(text)
            case "number":
                number = text.cast(pl.Float64, strict=False)
                return pl.when(number.is_finite()).then(number)
            case "date":
                midnight = r"(?:[T ]00:00(?::00(?:\.0+)?)?Z?)?"
                return text.str.extract(rf"^([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}){midnight}$").str.to_date(
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
        """The column that says the school year, None where the extract has none."""
        return next((column.name for column in self.columns if column.type == "year"), None)

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that no row may be without."""
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
        faults: list[tuple[Column, pl.Expr, str | None]] = []
        for column in self.columns:
            here = pl.col(column.name)
            if column.several and column.allowed:
                one = "|".join(column.allowed)
                faults.append((column, ~here.str.contains(f"^(?:{one})(?:;(?:{one}))*$"), None))
            elif column.allowed:
                faults.append((column, ~here.is_in(column.allowed), None))
            if column.pattern:
                faults.append((column, ~here.str.contains(column.pattern), None))
            if column.low is not None:
                faults.append((column, here < column.low, f"is below {column.low}"))
            if column.high is not None:
                faults.append((column, here > column.high, f"is above {column.high}"))
        return tuple(
            Fault(column.name, f"{column.name} {reason or f'is not {column.expectation}'}", fails)
            for column, fails, reason in faults
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
        """All faults in the order that `Typing` numbers them."""
        return (*self.type_faults(), *self.missing_faults(required), *self.value_faults())


class Typing:
    """Text rows of an extract → every column of the contract in its type, the other columns as they are (`_file` …), and
    `_fault`: the position in `faults` of the first thing wrong with the row, or null. For the blocks of one delivery.

    `required`: the columns that no row may be without. `coded`: see `Distinct`.
    """

    def __init__(self, extract: Extract, required: Iterable[str], coded: bool = False) -> None:
        self.faults = extract.faults(tuple(required))
        numbered = dict(enumerate(self.faults))
        types, first_rule = len(extract.type_faults()), len(numbered) - len(extract.rules)

        def work(column: Column) -> Work:
            mine = {n: fault for n, fault in numbered.items() if fault.column == column.name}
            of_text = _first({n: fault for n, fault in mine.items() if n < types})
            of_value = _first({n: fault for n, fault in mine.items() if types <= n < first_rule})
            value = column.value().alias(column.name)

            def judged(texts: pl.DataFrame) -> pl.DataFrame:
                # Not lazily: to optimize the expression takes longer than to look at a few texts.
                values = texts.select(value, of_text.alias(FAULT))
                return values.with_columns(pl.coalesce(FAULT, of_value).alias(FAULT))

            return judged

        self._columns = {column.name: Distinct(work(column), coded) for column in extract.columns}
        self._rules = _first({n: fault for n, fault in numbered.items() if n >= first_rule})
        self._in_rules = sorted({name for rule in extract.rules for name in rule.holds.meta.root_names()})

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The typed rows."""
        values, found = [], []
        absent = pl.repeat(None, rows.height, dtype=pl.String, eager=True)
        for name, column in self._columns.items():
            value, fault = column.of(rows[name] if name in rows.columns else absent.alias(name))
            values.append(value)
            if fault.null_count() < len(fault):
                found.append(fault)
        others = rows.select(name for name in rows.columns if name not in self._columns)
        typed = pl.DataFrame(values).hstack(others)
        of_columns = pl.min_horizontal(pl.lit(None, pl.Int32), *found)
        fault = pl.coalesce(of_columns, self._rules).alias(FAULT)
        compared = typed.with_columns(plain(typed.select(self._in_rules)))
        return typed.with_columns(compared.with_columns(fault)[FAULT])


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
    start = text.str.extract(r"^([0-9]{4})\s*[-/–]\s*(?:[0-9]{2}|[0-9]{4})$").cast(pl.Int32)
    end = text.str.extract(r"^[0-9]{4}\s*[-/–]\s*([0-9]{2}|[0-9]{4})$").cast(pl.Int32)
    follows = pl.when(end < 100).then((start + 1) % 100 == end).otherwise(start + 1 == end)
    year = pl.coalesce(
        text.str.extract(r"^([0-9]{4})(?:\.0+)?$").cast(pl.Int32), pl.when(follows).then(start + 1)
    )
    return pl.when(year.is_between(1990, 2100)).then(year)


def columns(*declared: str | tuple[str, ...] | Column) -> tuple[Column, ...]:
    """`name`, `name*` (required), `name: type` and (name, its allowed values) → columns."""
    types: dict[str, dict[str, Any]] = {
        "yes_no": {"allowed": ("yes", "no", "unknown"), "writings": _YES_NO_WRITINGS},
        "grade": {"allowed": GRADES, "writings": GRADE_WRITINGS},
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
            one = choice(*one)
        columns.append(one)
    return tuple(columns)


def choice(name: str, *allowed: str, **writings: str) -> Column:
    """A column of these values. `writings`: other writings of one, in lower case."""
    return Column(name.rstrip("*"), required=name.endswith("*"), allowed=allowed, writings=writings)


def in_order(first: str, then: str) -> Rule:
    """The second of two dates does not lie before the first."""
    return Rule(then, f"{then} lies before {first}", pl.col(then) >= pl.col(first))


def at_most(part: str, whole: str) -> Rule:
    """A part is no more than its whole."""
    return Rule(part, f"{part} is more than {whole}", pl.col(part) <= pl.col(whole))
