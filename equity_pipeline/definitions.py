"""The one entry point of Dagster: everything of the home named by `$EQUITY_HOME` (else `./equity_home`), with the schedules
and sensors of `$EQUITY_ENVIRONMENT`: `prod`, `ci`, or `dev` where it is not set."""

import datetime as dt
import os

from equity_pipeline.defs.location import definitions
from equity_pipeline.storage.home import Home

os.umask(0o077)  # whatever a run writes is for this user only
defs = definitions(Home.resolve(), dt.date.today(), os.environ.get("EQUITY_ENVIRONMENT", "dev"))
