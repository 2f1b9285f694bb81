"""What the runs left in Dagster's history: the work is there, the students are not."""

import re
import stat

import dagster as dg

from equity_pipeline.defs import history


def test_every_step_of_every_partner_is_a_run_that_succeeded(demo):
    with history.open_instance(demo.home) as instance:
        runs = instance.get_runs()
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    partners = {(run.job_name, run.tags["partner"]) for run in runs if "partner" in run.tags}
    assert partners == {
        (job, partner_id) for job in ("take_in", "load", "refresh") for partner_id in demo.districts
    }
    assert [run.job_name for run in runs].count("network") == 1


def test_partitions_on_file_are_materialized_with_their_row_counts_and_no_others(demo):
    truth = demo.districts["lakeview_sd"].tables["students"]
    with history.open_instance(demo.home) as instance:
        key = dg.AssetKey(["extracts", "students"])
        keys = {key for key in instance.get_materialized_partitions(key) if key.startswith("lakeview_sd|")}
        assert keys == {f"lakeview_sd|{year - 1}-{year % 100}" for year in range(2022, 2027)}
        filter = dg.AssetRecordsFilter(asset_key=key, asset_partitions=["lakeview_sd|2025-26"])
        [record] = instance.fetch_materializations(filter, limit=1).records
        rows = record.asset_materialization.metadata["dagster/row_count"].value
    assert rows == truth.filter(truth["school_year"] == 2026).height


def test_the_checks_of_dbt_and_of_the_disclosure_are_recorded(demo):
    with history.open_instance(demo.home) as instance:
        storage = instance.event_log_storage
        proof = dg.AssetCheckKey(dg.AssetKey("release"), "disclosure_proof")
        assert {e.status.value for e in storage.get_asset_check_execution_history(proof, limit=9)} == {
            "SUCCEEDED"
        }
        mart = dg.AssetKey(["warehouse", "marts", "gap_metrics"])
        assert len(instance.get_materialized_partitions(mart)) == len(demo.districts)


def test_no_student_is_in_the_history_or_the_ledger(demo):
    """Ids of the sample's students, as words between quotes or blanks, in any file that Dagster or the ledger wrote."""
    kept = [path for path in demo.home.dagster.rglob("*") if path.is_file()]
    kept += list(demo.home.root.glob("ledger.sqlite*"))
    words = {
        word for path in kept for word in re.findall(rb"(?<=[\"' ])[^\"' ]+(?=[\"' ])", path.read_bytes())
    }
    assert b"harborview_ps" in words
    for district in demo.districts.values():
        if "students" in district.tables:
            assert not {student.encode() for student in district.tables["students"]["student_id"]} & words


def test_what_the_runs_wrote_is_for_its_owner_only(demo):
    written = [demo.home.ledger, demo.home.dagster]
    written += [
        demo.home.root / layer for layer in ("archive", "extracts", "quarantine", "warehouse", "releases")
    ]
    for top in written:
        for path in (top, *top.rglob("*")):
            if not path.is_symlink():
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
