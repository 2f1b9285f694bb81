import dagster as dg
import pytest

from equity_pipeline.defs.failures import RETRIES, told_to_a_person
from equity_pipeline.domain.errors import EquityError, TransientError

SECRET = "Maria Quintanilla"


def _failure(error: Exception) -> dg.Failure:
    with pytest.raises(dg.Failure) as caught, told_to_a_person():
        raise error
    return caught.value


def test_our_errors_keep_their_words_and_are_not_retried():
    failure = _failure(EquityError("roster.csv, line 3: no header"))
    assert failure.description == "roster.csv, line 3: no header"
    assert not failure.allow_retries


def test_only_a_transient_error_is_retried_and_with_a_bound():
    assert _failure(TransientError("the disk is away")).allow_retries
    assert 0 < RETRIES.max_retries <= 3


def test_the_text_of_a_foreign_error_reaches_neither_the_failure_nor_the_event_log(tmp_path):
    @dg.op
    def cast():
        with told_to_a_person():
            raise ValueError(f"could not convert {SECRET!r} to INT32")

    @dg.job
    def job():
        cast()

    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        kept = "".join(dg.serialize_value(record) for record in instance.all_logs(result.run_id))
    assert "unexpected ValueError at test_failures.py" in kept
    assert SECRET not in kept
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
