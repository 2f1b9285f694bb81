"""Disaggregated equity marts and gap-tracking tables from school district extracts."""
