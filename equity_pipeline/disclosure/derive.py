"""The statistics of a release, worked out by the warehouse's own SQL from what is published and from nothing else.

The finished warehouse holds the SQL that built it. Here the same statements run once more in memory, on counts that
are already protected; every other table is empty but those that hold no count (`FREE`). So a derived column can't know
more than the published base, and no formula is written twice.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from equity_pipeline.disclosure.figures import Rules
from equity_pipeline.domain.errors import DisclosureError

# Relations that hold no count of students.
FREE = frozenset(
    ["partner", "metrics", "dimensions", "subgroups", "policy", "status_actions", "int_policy", "int_subgroup",
     "int_school_year", "int_year_versions", "int_declared_block", "stg_programs", "stg_goals"]
)  # fmt: skip
# Every student of a group is in this metric, so its students stand for the group's.
_POPULATION = "ap_ib_enrollment"
# How numbers and flags that may be null come out of Arrow, which hands them over in a fifth of the time of DuckDB's own frames.
_NULLABLE = {pa.int32(): pd.Int64Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}


class Derivation:
    """The models that follow from the counts, ready to run on other counts."""

    def __init__(self, warehouse: Path) -> None:
        """
        Raises:
            DisclosureError: the warehouse does not hold the SQL it was built by.
        """
        self.con = duckdb.connect(config={"threads": 1})
        self.con.execute("attach ':memory:' as warehouse")
        self.con.execute(f"attach '{str(warehouse).replace(chr(39), chr(39) * 2)}' as restricted (read_only)")
        relations = self.con.execute(
            "select schema_name, view_name from duckdb_views() where database_name = 'restricted' and not internal "
            "union all select schema_name, table_name from duckdb_tables() where database_name = 'restricted'"
        ).fetchall()
        if ("build", "models") not in relations:
            raise DisclosureError("the warehouse does not hold the SQL it was built by; build it again")
        models = self.con.execute("select schema, name, sql from restricted.build.models").fetchall()
        # The middle of a band makes no whole number of successes.
        self.sql = {name: (schema, sql.replace("as bigint", "as double")) for schema, name, sql in models}
        for schema in sorted({schema for schema, _ in relations} - {"main", "build"}):
            self.con.execute(f"create schema warehouse.{schema}")
        for schema, name in relations:
            if schema in ("main", "build"):
                continue
            # A view names the warehouse by its own name; all others come without a row.
            sql = (
                self.sql[name][1].replace('"warehouse".', '"restricted".')
                if name.startswith("stg_")
                else None
            )
            source = f"({sql})" if sql else f'restricted.{schema}."{name}"'
            rows = "" if name in FREE else " limit 0"
            self.con.execute(f'create table warehouse.{schema}."{name}" as from {source}{rows}')
        self.con.execute("detach restricted")

    def rules(self) -> Rules:
        """The public rules that the models work by, for whoever checks what they made."""
        metrics, dimensions, policy, actions = (
            self.con.execute(f"from warehouse.policy.{seed}").df()
            for seed in ("metrics", "dimensions", "policy", "status_actions")
        )
        return Rules(
            dimensions,
            {
                metric: -1 if direction == "lower_is_better" else 1
                for metric, direction in zip(metrics["metric_id"], metrics["direction"], strict=True)
            },
            frozenset(metrics.loc[metrics["risk_ratio"] == "yes", "metric_id"]),
            dict(zip(policy["key"], policy["value"].astype(str), strict=True)),
            actions,
        )

    def put_counts(self, counts: pd.DataFrame) -> None:
        """Make these the counts that everything rests on: `int_subgroup_counts`, protected."""
        self.put("int_subgroup_counts", counts)
        students = counts[(counts["metric_id"] == _POPULATION) & counts["n"].notna()]
        self.put("int_student_counts", students.assign(metric_id="_students").drop(columns="reason"))
        self.run("int_gap_block")
        self.run("int_references")
        self.run("int_p_values")

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Make the frame the model's table."""
        schema, _ = self.sql[name]
        self.con.register("frame", frame)
        self.con.execute(f'create or replace table warehouse.{schema}."{name}" as from frame')
        self.con.unregister("frame")

    def run(self, name: str) -> pd.DataFrame:
        """Run the model's SQL and keep its table.

        Raises:
            DisclosureError: the model reads something that is not derived from published counts.
        """
        schema, sql = self.sql[name]
        try:
            self.con.execute(f'create or replace table warehouse.{schema}."{name}" as {sql}')
        except duckdb.Error as error:  # its message may quote a value
            raise DisclosureError(
                f"{name} can't be worked out from published counts alone ({type(error).__name__}); nothing is published"
            ) from None
        table = self.con.sql(f'from warehouse.{schema}."{name}"').to_arrow_table()
        frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get, date_as_object=False)
        return frame
