"""Which canonical columns tell who somebody is; what becomes of them is said in extracts.pseudonyms."""

from __future__ import annotations

IDENTITY = ("last_name", "first_name", "birth_date")
"""What a source may map for an extract with a `match_key`: the key is made of all three, and names are stored nowhere."""
NAMES = frozenset({"first_name", "last_name"})
PERSONS = frozenset({"student_id", "state_id", "respondent_id", "staff_id", "teacher_id", "observer_id"})
"""Columns that hold the id of a person, in any extract."""
