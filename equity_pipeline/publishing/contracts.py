"""pandera schemas of what leaves. A frame that does not fit is not published.

Of every mart: the key is unique, a suppressed row carries a reason and no value, no column identifies a person.
"""

from __future__ import annotations

import re

import pandas as pd
import pandera.pandas as pa

from equity_pipeline.domain.errors import DisclosureError

TEXT, INTEGER, NUMBER, FLAG = pd.StringDtype(), "Int64", "Float64", "boolean"

KEYS = [
    "partner_id",
    "school_year",
    "school_id",
    "grade_level",
    "metric_id",
    "dimension",
    "subgroup",
    "reference",
]
_REASONS = ["privacy", "not_measured"]
STATUSES = [
    "not_measurable",
    "open",
    "narrowing",
    "widening",
    "closed",
    "maintained_closed",
    "reopened",
    "reversed",
]

# What a suppressed row may still say: which row it is, which rules made it, why it is hidden, and what the rows of earlier
# years, whose suppression is their own, say already.
_STATED = {*KEYS, "prior_gap", "prior_status", "baseline_gap", "reference_subgroup", "reason", "metric_version", "policy_version", "race_standard", "econ_basis",
           "snapshot_date", "extract_as_of", "comparable_to_prior_year", "comparability_reason", "goal_gap",
           "baseline_school_year", "suppressed", "suppression_reason"}  # fmt: skip
_IDENTIFIES = re.compile(
    r"(?!(?:partner|school|metric)_id$).*_id$|.*(?:first|last|middle|full|student)_?name|birth|e_?mail|phone|address|gpa$"
)

_ADDED = {"prior_status": TEXT, "urgency": INTEGER, "urgency_rank": INTEGER}
_BANDS = ["rate_band", "reference_rate_band"]
_FLAGGED = {**dict.fromkeys(_BANDS, TEXT), "suppressed": FLAG, "suppression_reason": TEXT}
_TYPES = {
    "gap_metrics": {
        **dict.fromkeys(KEYS, TEXT), "school_year": INTEGER, "n": INTEGER, "successes": INTEGER, "rate": NUMBER,
        "reference_subgroup": TEXT, "reference_n": INTEGER, "reference_successes": INTEGER, "reference_rate": NUMBER,
        "gap": NUMBER, "gap_low": NUMBER, "gap_high": NUMBER, "representation_index": NUMBER, "rate_ratio": NUMBER,
        "odds_ratio": NUMBER, "cohens_h": NUMBER, "parity_index_adjusted": NUMBER, "p_value": NUMBER,
        "risk_ratio": NUMBER, "risk_ratio_reason": TEXT, "alternate_risk_ratio": NUMBER,
        "alternate_risk_ratio_reason": TEXT, "ppg2017_margin": NUMBER, "ppg2017_flag": FLAG,
        "ppg2022_margin": NUMBER, "ppg2022_flag": FLAG, "index80_flag": FLAG, "students_needed": INTEGER,
        "reliable": FLAG, "reason": TEXT, "metric_version": TEXT, "policy_version": TEXT, "race_standard": TEXT,
        "econ_basis": TEXT, "snapshot_date": None, "extract_as_of": None, **_FLAGGED,
    },
    "gap_closure": {
        **dict.fromkeys([k for k in KEYS if k != "grade_level"], TEXT), "school_year": INTEGER, "gap": NUMBER,
        "prior_gap": NUMBER, "baseline_school_year": INTEGER, "baseline_gap": NUMBER, "gap_change": NUMBER,
        "gap_change_low": NUMBER, "gap_change_high": NUMBER, "status": TEXT, "leveled_down": FLAG, "seats_gap": INTEGER,
        "years_to_parity": NUMBER, "goal_gap": NUMBER, "on_track": FLAG, "comparable_to_prior_year": FLAG,
        "comparability_reason": TEXT, **_FLAGGED,
    },
}  # fmt: skip
MARTS = ("gap_metrics", "gap_closure", "access", "success", "tools_package")


def _has_no_value(frame: pd.DataFrame) -> pd.Series:
    """Per row: not suppressed, or every value is null."""
    values = [
        c for c in frame.columns
        if c not in _STATED and (c == "status" or pd.api.types.is_numeric_dtype(frame[c]))
    ]  # fmt: skip
    return ~frame["suppressed"].astype(bool) | frame[values].isna().all(axis=1)


def _column(name: str, dtype: object) -> pa.Column:
    checks = {
        "suppression_reason": [pa.Check.isin(_REASONS)],
        "status": [pa.Check.isin(STATUSES)],
        "rate": [pa.Check.in_range(0, 1)],
        "n": [pa.Check.ge(0)],
        "students_needed": [pa.Check.ge(0)],
    }.get(name, [])
    return pa.Column(
        dtype,
        checks,
        nullable=name not in KEYS and name != "suppressed",
        coerce=dtype is not None,
    )


def schema(mart: str, columns: list[str]) -> pa.DataFrameSchema:
    """The schema of one published mart. Exact columns for the two marts the contracts list; the reader's marts made from
    them (`access`, `success`, `tools_package`) may choose their columns, under the same rules."""
    types = _TYPES.get(mart)
    known = _TYPES["gap_metrics"] | _TYPES["gap_closure"] | _ADDED
    return pa.DataFrameSchema(
        {
            name: _column(name, dtype)
            for name, dtype in (types or {c: known.get(c) for c in columns} | _FLAGGED).items()
        },
        checks=[
            pa.Check(_has_no_value, name="a suppressed row has no value"),
            pa.Check(
                lambda f: f["suppressed"].astype(bool) == f["suppression_reason"].notna(),
                name="suppressed with a reason",
            ),
            pa.Check(lambda f: not any(_IDENTIFIES.match(c) for c in f.columns), name="no restricted column"),
        ],
        unique=[key for key in KEYS if key in columns],
        strict=types is not None,
        ordered=False,
    )


def check(mart: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its published types, columns in contract order, rows in key order.

    Raises:
        DisclosureError: the frame breaks the contract. Names mart, rule and how many rows; no value.
    """
    try:
        frame = schema(mart, list(frame.columns)).validate(_dates(frame), lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.astype({"column": object, "check": object}).fillna(
            {"column": "row", "check": "type"}
        )
        broken = cases.groupby(["column", "check"], sort=True).size()
        said = "; ".join(f"{column}: {rule} ({rows})" for (column, rule), rows in broken.items())
        raise DisclosureError(
            f"mart {mart} may not be published: {said}; see publishing/contracts.py"
        ) from None
    columns = list(_TYPES.get(mart, dict.fromkeys(frame.columns)))
    return frame[columns].sort_values([key for key in KEYS if key in columns], ignore_index=True)


def _dates(frame: pd.DataFrame) -> pd.DataFrame:
    """Timestamps of a DATE column as dates: midnight is not part of what is said."""
    stamps = frame.select_dtypes("datetime").columns
    return frame.assign(**{c: frame[c].dt.date.astype(object).where(frame[c].notna(), None) for c in stamps})
