"""One DuckDB file per partner, rebuilt whole by dbt beside the old one and swapped in."""
