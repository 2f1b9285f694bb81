"""Disaggregated equity marts and gap-tracking tables from school district extracts."""

import os

# Before polars is loaded: how long it keeps memory that is free. Of half a second, as it would, nothing is left for the next
# block of a file while other threads work, and the system clears every page anew.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:5000")
