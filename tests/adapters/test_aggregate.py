"""Counts by group: what the sender hides is counted, and is never zero."""

from __future__ import annotations

import pytest

from equity_pipeline.adapters import aggregate
from equity_pipeline.adapters.readers import read_delimited
from equity_pipeline.domain.errors import DeliveryError
from equity_pipeline.partners.registry import Source

SOURCE = Source(
    name="counts",
    format="aggregate",
    files=["*"],
    columns={
        "school_year": "Year", "school_id": "Building", "metric_id": "Measure", "dimension": "Category",
        "subgroup": "Group", "n": "Students", "successes": "Of These",
    },
    values={"school_id": {"District": "_all"}, "metric_id": {"AP/IB enrolled": "ap_ib_enrollment"}},
    constants={"grade_level": "_all"},
)  # fmt: skip
HEADER = "Year,Building,Measure,Category,Group,Students,Of These\n"


def take(*counts: tuple[str, str], header: str = HEADER):
    lines = [f"2025-26,District,AP/IB enrolled,sex,female,{n},{successes}\n" for n, successes in counts]
    table = read_delimited((header + "".join(lines)).encode(), "counts.csv")
    (mapped,) = aggregate.map([table], SOURCE, None)
    return mapped


def test_rows_by_the_mapping():
    mapped = take(("120", "30"), ("40", "0"))
    assert mapped.extract == "aggregate_counts"
    columns = (
        "school_year",
        "school_id",
        "grade_level",
        "metric_id",
        "dimension",
        "subgroup",
        "n",
        "successes",
        "_line",
    )
    assert mapped.rows.select(columns).rows() == [
        ("2025-26", "_all", "_all", "ap_ib_enrollment", "sex", "female", "120", "30", 2),
        ("2025-26", "_all", "_all", "ap_ib_enrollment", "sex", "female", "40", "0", 3),
    ]
    assert mapped.skipped == {}


@pytest.mark.parametrize("token", ["*", "**", "s", "S", "<10", "n<10", "< 5", "-9", "-99", "", "N/A", "."])
def test_a_hidden_count_gives_no_row(token):
    mapped = take((token, token), ("40", token), ("41", "7"))
    assert mapped.rows["n"].to_list() == ["41"]
    assert mapped.skipped == {"suppressed by the sender": 2}


@pytest.mark.parametrize("slip", ["-1", "1O", "ten", "9"])
def test_a_slip_is_left_for_the_contract_to_judge(slip):
    mapped = take((slip, "7"))
    assert mapped.rows["n"].to_list() == [slip] and mapped.skipped == {}


def test_a_missing_header_names_what_was_sought():
    with pytest.raises(DeliveryError, match="counts.csv, line 1: no header for n as Students"):
        take(("1", "1"), header=HEADER.replace("Students", "Pupils"))
