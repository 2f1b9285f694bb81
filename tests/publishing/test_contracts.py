import pandas as pd
import pytest

from equity_pipeline.domain.errors import DisclosureError
from equity_pipeline.publishing import contracts

from .frames import frames


@pytest.fixture(scope="module")
def marts():
    return frames(years=[2025, 2026], size=400)


def hidden_row(frame):
    return frame.index[frame["suppression_reason"].eq("privacy")][0]


@pytest.mark.parametrize("mart", contracts.MARTS)
def test_protected_frames_pass_and_keep_every_row_and_number(marts, mart):
    checked = contracts.check(mart, marts[mart])
    keys = [k for k in contracts.KEYS if k in checked]
    before = marts[mart].sort_values(keys, ignore_index=True)
    assert len(checked) == len(before)
    assert checked["gap"].astype(float).equals(before["gap"].astype(float))
    assert checked["suppressed"].any()


@pytest.mark.parametrize("mart", contracts.MARTS)
def test_a_value_in_a_suppressed_row_stops_the_release(marts, mart):
    frame = marts[mart].copy()
    frame.loc[hidden_row(frame), "gap"] = 0.123
    with pytest.raises(DisclosureError, match=f"mart {mart} .*a suppressed row has no value"):
        contracts.check(mart, frame)


def test_a_flag_or_a_status_in_a_suppressed_row_is_a_value_too(marts):
    for mart, column, value in (("gap_metrics", "index80_flag", True), ("gap_closure", "status", "closed")):
        frame = marts[mart].copy()
        frame[column] = frame[column].astype(object)
        frame.loc[hidden_row(frame), column] = value
        with pytest.raises(DisclosureError, match="a suppressed row has no value"):
            contracts.check(mart, frame)


@pytest.mark.parametrize("mart", contracts.MARTS)
def test_a_key_stands_once(marts, mart):
    twice = pd.concat([marts[mart], marts[mart].head(1)], ignore_index=True)
    with pytest.raises(DisclosureError, match="unique"):
        contracts.check(mart, twice)


@pytest.mark.parametrize("column", ["student_id", "section_id", "birth_date", "gpa", "last_name", "email"])
def test_no_column_that_identifies_a_person_leaves(marts, column):
    with pytest.raises(DisclosureError, match="no restricted column"):
        contracts.check("access", marts["access"].assign(**{column: "x"}))
    with pytest.raises(DisclosureError, match="mart gap_metrics .*column_in_schema"):
        contracts.check("gap_metrics", marts["gap_metrics"].assign(**{column: "x"}))


def test_suppression_needs_its_reason_and_no_other(marts):
    frame = marts["gap_metrics"].copy()
    frame.loc[hidden_row(frame), "suppression_reason"] = None
    with pytest.raises(DisclosureError, match="suppressed with a reason"):
        contracts.check("gap_metrics", frame)
    frame.loc[:, "suppression_reason"] = frame["suppression_reason"].mask(frame["suppressed"], "because")
    with pytest.raises(DisclosureError, match="suppression_reason"):
        contracts.check("gap_metrics", frame)


def test_the_message_counts_rows_and_carries_no_value(marts):
    frame = marts["gap_metrics"].copy()
    frame.loc[frame["suppression_reason"].eq("privacy"), "n"] = 7_777
    with pytest.raises(DisclosureError) as error:
        contracts.check("gap_metrics", frame)
    assert "7777" not in str(error.value).replace(",", "")
