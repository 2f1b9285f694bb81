"""Every number of a mart can be followed back to rows, rules and files, and on to what readers were told of it."""

from __future__ import annotations

import pandas as pd
import pytest
from click.testing import CliRunner

from equity_pipeline.cli import main
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.stewardship.status import latest_release
from tests.end_to_end.conftest import mart

PARTNER = "cedar_valley_isd"


def explained(home, row):
    year = f"{row.school_year - 1}-{row.school_year % 100:02d}"
    where = {"--partner": PARTNER, "--school": row.school_id, "--school-year": year}
    group = {"--dimension": row.dimension, "--reference": row.reference}
    arguments = [text for option in (where | group).items() for text in option]
    result = CliRunner().invoke(
        main, ["explain", "--home", str(home.root), *arguments, row.metric_id, row.subgroup]
    )
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def one_of_each_metric(demo):
    gaps = mart(demo.home, PARTNER, "gap_metrics")
    gaps = gaps[(gaps["grade_level"] == "_all") & gaps["gap"].notna()]
    return gaps.drop_duplicates("metric_id", keep="last")


def test_counts_rule_files_and_release_of_any_metric(demo, one_of_each_metric):
    assert len(one_of_each_metric) >= 12
    released = pd.read_parquet(demo.home.releases(PARTNER) / "latest" / "data" / "gap_metrics.parquet")
    for row in one_of_each_metric.itertuples():
        told = explained(demo.home, row)
        assert f"{row.successes:,} of {row.n:,} = {row.rate:.4f}" in told
        assert f"{row.reference_successes:,} of {row.reference_n:,}" in told
        assert f"metric {row.metric_version}, policy {row.policy_version}" in told
        for load in Ledger(demo.home).current(PARTNER, row.school_year, "students"):
            assert f"{load['loaded']:,} loaded, {load['rejected']:,} rejected" in told
            assert load["delivered_file"] in told
        assert (latest_release(demo.home, PARTNER) in told) and (
            ("of this kind nothing is published" in told) == (row.metric_id not in set(released["metric_id"]))
        )


def test_what_is_not_known_is_answered_with_what_is(demo):
    def refused(*arguments):
        result = CliRunner().invoke(
            main, ["explain", "--home", str(demo.home.root), "--partner", PARTNER, *arguments]
        )
        assert result.exit_code == 1
        return result.output

    assert "metrics are advanced_enrollment, ap_ib_enrollment" in refused("ap_enrollment", "black")
    assert "groups with this metric are" in refused("ap_ib_enrollment", "blac")
    assert "schools with this metric are" in refused("ap_ib_enrollment", "black", "--school", "9999")
