"""Lint the SQL of the dbt project as dbt compiles it (sqlfluff, rules in `.sqlfluff`): models and tests, macros filled in.

dbt itself compiles (`project.compiled`), once for the pipeline, the tests and this; a finding names the file and the line of
the compiled SQL.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor

from sqlfluff.core import FluffConfig, Linter, SQLBaseError

from equity_pipeline.warehouse import project

# The second reads `prior` as the name that it is, and GROUPING SETS of several columns.
_DIALECTS = ("duckdb", "trino")


def _findings(sql: str) -> list[SQLBaseError] | None:
    """What is wrong with the SQL; None where no dialect of sqlfluff reads what DuckDB does."""
    for dialect in _DIALECTS:
        config = FluffConfig.from_root(overrides={"dialect": dialect})
        found = Linter(config=config).lint_string(sql).get_violations()
        if not any(one.rule_code() == "PRS" for one in found):
            return found
    return None


def main() -> int:
    """Every model and test in SQL; 1 where something was found."""
    compiled = {
        node["original_file_path"]: node["compiled_code"].strip() + "\n"
        for node in project.compiled().manifest["nodes"].values()
        if node["original_file_path"].endswith(".sql") and node.get("compiled_code")
    }
    files = sorted(compiled)
    with ProcessPoolExecutor(2) as workers:
        found = dict(zip(files, workers.map(_findings, [compiled[file] for file in files]), strict=True))
    wrong = [
        f"dbt_project/{file}, compiled line {one.line_no}: {one.rule_code()} {one.desc()}\n"
        f"    {compiled[file].splitlines()[one.line_no - 1].strip()}"
        for file, several in found.items()
        for one in several or ()
    ]
    unread = [file for file, several in found.items() if several is None]
    print(*wrong, f"{len(files) - len(unread)} files of SQL read, {len(wrong)} findings", sep="\n")
    if unread:
        print("DuckDB's SQL that sqlfluff does not read, left out:", *unread, sep="\n  ")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
