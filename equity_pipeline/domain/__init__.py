"""Plain rules of the field: school years, identifiers, errors for people. No IO, no Dagster, no other package of ours."""
