"""When an asset is made without being asked: one condition for each kind, with the reason why the stock one fails.

`deliveries` and `extracts` have none: what they rest on is told by content hashes and the ledger (automation.py), of which
Dagster's conditions know nothing.
"""

from __future__ import annotations

import dagster as dg

from equity_pipeline.defs.ingest import DELIVERIES

_UPDATED = dg.AutomationCondition.any_deps_updated()
_CHANGED = _UPDATED.since_last_handled()
_LOADED = _UPDATED.ignore(dg.AssetSelection.assets(DELIVERIES)).since_last_handled()
_QUIET = ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.in_progress()

WAREHOUSE = (_LOADED & _QUIET).with_label("an extract or the partner file changed")
"""What was taken in is not built from before it is loaded: a build in between has nothing of it, and what changes until the next
tick counts as handled by it.

Stock `eager()` waits until no upstream partition is missing: a partner × year that nobody will ever deliver would hold the
warehouse for ever, and July 1 adds one for everybody. So a missing year does not matter here, and a correction to any past
year counts. A new partner without data fires nothing: nothing of it has been updated."""

RELEASE = (_CHANGED & _QUIET & dg.AutomationCondition.all_deps_blocking_checks_passed()).with_label(
    "a mart changed and every blocking check on the marts passed"
)
"""Without the checks a release would be asked for although a test of its marts failed. They are partitioned, so that one
partner's failure does not hold the others."""

NETWORK = (_CHANGED & _QUIET).with_label("a release changed and none is being made")
"""`eager()` would wait for the release of every partner in the registry; the page says which of them are missing. It waits
while any is being made, so that a night of many partners rolls up once."""
