"""The project's own SQL, compiled once, run model by model on a database that a test fills."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd

from equity_pipeline.warehouse import models, project, raw


class Workshop:
    """An open copy of a warehouse and the statements that make its models, in an order in which they can run.
    `usual`: the names of all but those about extracts that most districts lack."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, models: dict[str, str], usual: list[str]
    ) -> None:
        self.connection = connection
        self.models = models
        self.usual = usual

    @classmethod
    def open(cls, warehouse: Path, folder: Path) -> Workshop:
        copy = folder / "warehouse.duckdb"  # compiled statements name the catalog after the file
        shutil.copy(warehouse, copy)
        nodes, _ = models.selected(project.manifest(), empty=[])
        made_by_sql = [
            node for node in nodes if node["resource_type"] == "model" and node["language"] == "sql"
        ]
        connection = duckdb.connect(copy)
        connection.execute(f"attach ':memory:' as {models.WORKING}")
        connection.execute(f"create schema {models.WORKING}.intermediate")
        return cls(
            connection,
            {
                node["name"]: f"create or replace {node['config']['materialized']} "
                f"{models.name_of(node)} as {node['compiled_code']}"
                for node in made_by_sql
            },
            [
                node["name"]
                for node in made_by_sql
                if not any(tag.startswith("with_") for tag in node["tags"])
            ],
        )

    def make(self, *names: str) -> None:
        """Run the statements of these models, or of all usual ones."""
        for name in names or [name for name in self.models if name in self.usual]:
            self.connection.execute(self.models[name])

    def fill_raw(self, tables: dict[str, pd.DataFrame]) -> None:
        """Put these rows, and no others, into the extracts of the schema `raw`."""
        for extract, columns in raw.EXTRACTS.items():
            self.connection.execute(f"delete from raw.{extract}")
            if extract not in tables:
                continue
            self.connection.register("given", tables[extract])
            named = ", ".join(f'"{name}"' for name in ("school_year", *columns) if name in tables[extract])
            self.connection.execute(f"insert into raw.{extract} ({named}) select {named} from given")

    def frame(self, query: str) -> pd.DataFrame:
        return self.connection.execute(query).df()
