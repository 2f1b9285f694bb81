"""How a failure looks in Dagster: a sentence for a person, never a student's value, retried only if that can help."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

import dagster as dg

from equity_pipeline.domain.errors import DISK_FULL, EquityError, TransientError, fault_of_ours, is_disk_full

RETRIES = dg.RetryPolicy(max_retries=2, delay=15, backoff=dg.Backoff.EXPONENTIAL)
_PASSING = {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}


@contextlib.contextmanager
def told_to_a_person() -> Iterator[None]:
    """Turn any error into `dagster.Failure` without its cause: the event log is kept and shown, and the text of an
    error that is not ours (a cast that failed, say) quotes cells.

    Raises:
        dagster.Failure: with our own message, with what the operating system said of a file, or with the type and place of
            a foreign error. Retried (`RETRIES`) only for `TransientError` and what passes by itself.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the border where foreign errors lose their text
        failure = _failure(error)
    else:
        return
    raise failure from None


def _failure(error: Exception) -> dg.Failure:
    if is_disk_full(error):
        return dg.Failure(
            f"{DISK_FULL}; nothing is lost and what was there stays: free some space and run it again",
            allow_retries=False,
        )
    if isinstance(error, EquityError):
        return dg.Failure(str(error), allow_retries=isinstance(error, TransientError))
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return dg.Failure(f"{where}{error.strerror}", allow_retries=error.errno in _PASSING)
    return dg.Failure(fault_of_ours(error), allow_retries=False)
