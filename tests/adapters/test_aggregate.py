"""Counts by group: what the sender hides is counted, and is never zero."""

from __future__ import annotations

import pytest

from equity_pipeline.adapters import aggregate
from equity_pipeline.adapters.readers import read_delimited
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
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


GROUPS = [
    {"dimension": "sex", "subgroup": "female", "n": "Girls", "successes": "Girls in AP"},
    {"dimension": "sex", "subgroup": "male", "n": "Boys", "successes": "Boys in AP"},
]
WIDE = "Year,School,Girls,Girls in AP,Boys,Boys in AP\n2025-26,11,120,30,110,*\n2025-26,12,40,0,<20,4\n"


def take_wide(text: str = WIDE, **options: object):
    source = Source(
        name="counts", format="aggregate", files=["*"], columns={"school_year": "Year", "school_id": "School"},
        constants={"metric_id": "ap_ib_enrollment"}, options={"layout": "wide", "groups": GROUPS} | options,
    )  # fmt: skip
    (mapped,) = aggregate.map([read_delimited(text.encode(), "counts.csv")], source, None)
    return mapped


def test_groups_side_by_side():
    mapped = take_wide()
    columns = ("school_year", "school_id", "metric_id", "dimension", "subgroup", "n", "successes", "_line")
    assert mapped.rows.select(columns).rows() == [
        ("2025-26", "11", "ap_ib_enrollment", "sex", "female", "120", "30", 2),
        ("2025-26", "12", "ap_ib_enrollment", "sex", "female", "40", "0", 3),
    ]
    assert mapped.skipped == {"suppressed by the sender": 2}
    assert mapped.warnings == ()


def test_the_sender_says_what_hides_a_count():
    mapped = take_wide(suppressed=["*"])
    # `<20` is then a count that is none: the contract refuses it, nobody takes it for hidden.
    assert mapped.rows["n"].to_list() == ["120", "40", "<20"]
    assert mapped.skipped == {"suppressed by the sender": 1}
    assert take_wide(suppressed=["<20", "*"]).skipped == {"suppressed by the sender": 2}


def test_wrong_groups():
    with pytest.raises(DeliveryError, match="counts.csv, line 1: no header Boys, Boys in AP"):
        take_wide("Year,School,Girls,Girls in AP\n2025-26,11,1,1\n")
    for groups in (
        [],
        [{"n": "Girls", "successes": "Girls in AP"}],
        [GROUPS[0], GROUPS[1] | {"metric_id": "x"}],
    ):
        with pytest.raises(PartnerFileError, match="source 'counts'"):
            take_wide(groups=groups)
