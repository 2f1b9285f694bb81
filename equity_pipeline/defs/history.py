"""Where Dagster keeps its history of runs for one home, and how it behaves on one machine.

`<home>/.dagster/dagster.yaml` is written by us, so that every command and the UI share one history.
"""

from __future__ import annotations

import fcntl
import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import dagster as dg
import yaml
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, create_engine, select, text
from sqlalchemy import event as events_of
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from equity_pipeline.defs.partitions import PARTITION, PARTNER, partner_of
from equity_pipeline.extracts.ledger import compact
from equity_pipeline.storage import atomic
from equity_pipeline.storage.home import CELERY_URL, KUBERNETES_IMAGE, Home

POSTGRES_URL = "EQUITY_POSTGRES_URL"
CONCURRENT_RUNS = "EQUITY_CONCURRENT_RUNS"
_OPEN_SHARDS = 8


class KeptOpenEventLog(SqliteEventLogStorage):
    """Dagster's event log, with its SQLite files kept open between events, and one transaction a file for each event, or
    for as many as Dagster hands over at once.

    The stock class opens each file several times for every event and waits for the disk each time; a partner's build
    has some hundred events, and this brings their cost from 8 s to 1 s. The files and tables are the stock ones. What the
    disk had not yet taken when the machine lost its power is missing from the history, and its work is done again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._begun: dict[str, Connection] = {}
        self._batch: ExitStack | None = None
        self._tables: set[str] = set()
        super().__init__(*args, **kwargs)
        # In a batch the stock methods connect while we hold it.
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # theirs is a Lock; both are only entered

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> KeptOpenEventLog:
        """As Dagster makes it from its configuration."""
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: EventLogEntry) -> None:
        """One event, as a batch of one."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Several events; each database that they go to is opened once."""
        with self._db_lock, ExitStack() as self._batch:
            try:
                for event in events:
                    super().store_event(event)
            finally:
                self._batch = None
                self._begun = {}

    def has_table(self, table_name: str) -> bool:
        """Whether it is there; a table that was once there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, ExitStack() as alone:
            if shard in self._begun:
                yield self._begun[shard]
                return
            transaction = self._batch or alone
            connection = transaction.enter_context(self._engine(shard).connect())
            transaction.enter_context(connection.begin())
            if self._batch:
                self._begun[shard] = connection
            yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            self._engines[shard] = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            events_of.listen(self._engines[shard], "connect", _do_not_wait_for_the_disk)
        self._engines.move_to_end(shard)
        if shard not in self._initialized_dbs:
            self._initdb(self._engines[shard])
            self._initialized_dbs.add(shard)
        while len(self._engines) > _OPEN_SHARDS:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        """Make the tables of a run's file as the stock method does, which reads all of Dagster's migrations three times for each."""
        if for_index_shard:
            super()._initdb(engine, for_index_shard)
            return
        try:
            with engine.connect() as connection:
                migration = MigrationContext.configure(connection)
                if migration.get_current_revision() is None:
                    SqlEventLogStorageMetadata.create_all(engine)
                    connection.execute(text("PRAGMA journal_mode = WAL"))
                    migration.stamp(_migrations(), "head")
                    connection.commit()
        except DatabaseError:  # another process makes the same file: the stock method waits for it
            super()._initdb(engine)

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events, and with them its file: SQLite keeps deleted text."""
        super().delete_events(run_id)
        if engine := self._engines.pop(run_id, None):
            engine.dispose()
        self._initialized_dbs.discard(run_id)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)

    def dispose(self) -> None:
        """Close every connection."""
        super().dispose()
        while self._engines:
            self._engines.popitem()[1].dispose()


@functools.cache
def _migrations() -> ScriptDirectory:
    return ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__))


def _do_not_wait_for_the_disk(connection: Any, _: Any) -> None:
    """With a write-ahead log, as Dagster sets it up, a file stays whole all the same."""
    connection.execute("PRAGMA synchronous = NORMAL")


def settings(home: Home) -> dict[str, Any]:
    """`dagster.yaml`: no telemetry, one run per partner at a time, dead runs give their slots back and are tried once
    more. The history lies in the home, or in the PostgreSQL of `$EQUITY_POSTGRES_URL` where that is set, and runs are for the
    workers of `$EQUITY_CELERY_URL` where that is set; passwords are not written down."""
    if os.environ.get(POSTGRES_URL):
        storage = {"storage": {"postgres": {"postgres_url": {"env": POSTGRES_URL}}}}
    else:
        storage = {
            "event_log_storage": {
                "module": "equity_pipeline.defs.history",
                "class": "KeptOpenEventLog",
                "config": {"base_dir": str(home.dagster / "history" / "runs")},
            }
        }
    storage |= _launcher()
    return storage | {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        # What a step prints is kept nowhere: a library's traceback may quote a cell.
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
        "concurrency": {
            "runs": {
                "max_concurrent_runs": int(os.environ.get(CONCURRENT_RUNS) or max(2, os.cpu_count() or 1)),
                # Our tag, and those that Dagster gives to what is launched in its UI.
                "tag_concurrency_limits": [
                    {"key": key, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
                    for key in (PARTNER, PARTITION, f"{PARTITION}/{PARTNER}")
                ],
            }
        },
        # A code location that is being loaded anew is asked again.
        "run_queue": {"max_user_code_failure_retries": 3, "user_code_failure_retry_delay": 30},
        "freshness": {"enabled": True},
        "run_monitoring": {
            "enabled": True,
            "free_slots_after_run_end_seconds": 60,
            "start_timeout_seconds": 300,
            # A run takes minutes; one that hangs gives its partner's place back.
            "max_runtime_seconds": 6 * 60 * 60,
        },
        # Of a run whose process died; what a step said is final, it has been tried again by its own policy.
        "run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False},
        "retention": {
            "schedule": {"purge_after_days": 90},
            "sensor": {"purge_after_days": {"skipped": 7, "failure": 30, "success": 90}},
        },
    }


def _launcher() -> dict[str, Any]:
    """Who executes runs: this machine, the Celery workers, or jobs of Kubernetes (whose names are those of deploy/kubernetes)."""
    if os.environ.get(CELERY_URL):
        url = {"env": CELERY_URL}
        module, name = "equity_pipeline.defs.workers", "WatchedCeleryRunLauncher"
        config: dict[str, Any] = {"broker": url, "backend": url}
    elif os.environ.get(KUBERNETES_IMAGE):
        module, name = "dagster_k8s", "K8sRunLauncher"
        config = {
            "job_image": {"env": KUBERNETES_IMAGE},
            "job_namespace": "equity-pipeline",
            "service_account_name": "equity-pipeline",
            "instance_config_map": "equity-dagster",
            "env_config_maps": ["equity-environment"],
            "env_secrets": ["equity-secrets"],
            "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "equity-home"}}],
            "volume_mounts": [{"name": "home", "mountPath": "/srv/equity"}],
        }
    else:
        module, name, config = "equity_pipeline.defs.launched", "WatchedRunLauncher", {}
    return {"run_launcher": {"module": module, "class": name, "config": config}}


def prepare(home: Home) -> None:
    """Write `dagster.yaml` if it is missing or different, and point this process and its children at it."""
    path = home.dagster / "dagster.yaml"
    said = yaml.safe_dump(settings(home), sort_keys=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != said:
        with atomic.new_file(path) as scratch:
            scratch.write_text(said, encoding="utf-8")
    os.environ.update(
        DAGSTER_HOME=str(home.dagster),
        EQUITY_HOME=str(home.root),
        DAGSTER_DISABLE_TELEMETRY="yes",
        DAGSTER_EVENT_BATCH_SIZE="1000",  # what a run plans to make is written down at once
        DO_NOT_TRACK="1",
    )


def open_instance(home: Home) -> dg.DagsterInstance:
    """This home's Dagster instance; use it as a context manager.

    Opened by one process at a time: two that make Dagster's tables at once break its record of their version.
    """
    prepare(home)
    with (home.dagster / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return dg.DagsterInstance.from_config(str(home.dagster))


def forget(home: Home, instance: dg.DagsterInstance, partner_id: str) -> int:
    """Remove from the history the runs that worked for one partner and all that they told; how many there were. What the
    database lies in is rewritten, because SQLite and PostgreSQL keep deleted text."""
    runs = [run.run_id for run in instance.get_runs() if partner_of(run.tags) == partner_id]
    for run_id in runs:
        instance.delete_run(run_id)
    events, assets, checks = SqlEventLogStorageTable.c, AssetKeyTable.c, AssetCheckExecutionsTable.c
    storage = cast(SqlEventLogStorage, instance.event_log_storage)
    with storage.index_connection() as index:
        index.execute(AssetCheckExecutionsTable.delete().where(checks.run_id.in_(runs)))
        for (asset,) in index.execute(
            select(assets.asset_key).where(assets.last_run_id.in_(runs))
        ).fetchall():
            made = events.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value
            left = select(events.event, events.run_id).where(events.asset_key == asset, made)
            event, run_id = index.execute(left.order_by(events.id.desc())).first() or (None, None)
            said = {"last_materialization": event, "last_run_id": run_id, "cached_status_data": None}
            index.execute(AssetKeyTable.update().where(assets.asset_key == asset).values(said))
    for path in home.dagster.rglob("*.db"):
        compact(path)
    if url := os.environ.get(POSTGRES_URL):
        with create_engine(url, isolation_level="AUTOCOMMIT").connect() as postgres:
            postgres.execute(text("VACUUM FULL"))
    return len(runs)


if __name__ == "__main__":  # before services share a home: write dagster.yaml, make or renew Dagster's tables
    os.umask(0o077)
    with open_instance(Home.resolve()) as instance:
        instance.upgrade()
