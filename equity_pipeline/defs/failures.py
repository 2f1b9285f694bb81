"""How a failure looks in Dagster: a sentence for a person, never a student's value, retried only if that can help."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from equity_pipeline.domain.errors import EquityError, TransientError

RETRIES = dg.RetryPolicy(max_retries=2, delay=15, backoff=dg.Backoff.EXPONENTIAL)
_PACKAGE = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def told_to_a_person() -> Iterator[None]:
    """Turn any error into `dagster.Failure` without its cause: the event log is kept and shown, and the text of an
    error that is not ours (a cast that failed, say) quotes cells.

    Raises:
        dagster.Failure: with our own message, or with the type and place of a foreign error. Retried (`RETRIES`)
            only for `TransientError`.
    """
    try:
        yield
    except TransientError as error:
        failure = dg.Failure(str(error), allow_retries=True)
    except EquityError as error:
        failure = dg.Failure(str(error), allow_retries=False)
    except Exception as error:  # noqa: BLE001 - the border where foreign errors lose their text
        failure = dg.Failure(_without_values(error), allow_retries=False)
    else:
        return
    raise failure from None


def _without_values(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is `told_to_a_person` itself
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}, in {ours[-1].name}"
    return (
        f"unexpected {type(error).__name__} at {place}; its text is withheld because it may quote a student's data; "
        "this is a fault of the program: report the place"
    )
