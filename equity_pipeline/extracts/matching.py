"""Scores whose student is not known, matched when she is: never by what only resembles.

Belongs here: which student a score of an unknown id is of. Does not belong here: what a key is made of (pseudonyms).

Tiers, the first that names exactly one student counts: a state id (the id on the score, or its `state_id`, is the
`state_id` of a student), then birth date and name. A score that would stand twice after the match, and one whose key two
students share, stays with the id that it came with. Nothing is lost: `matched_by` says how a score was matched, and a load
of the school year begins again from what was delivered.
"""

from __future__ import annotations

import polars as pl

from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage import sealed
from equity_pipeline.storage.atomic import new_folder
from equity_pipeline.storage.home import Home

_EXAMS = "exam_results"
_TIERS = (
    ("state_id", "student_id", "state_id"),
    ("state_id", "state_id", "state_id"),
    ("state_id", "state_id", "student_id"),
    ("birth_date_and_name", "match_key", "match_key"),
)
"""How it is called, the column of the score, the column of the student."""
_KNOWN = "known"


def match(home: Home, partner: Partner, school_year: int) -> None:
    """Give the stored scores of a school year the student ids of the students on file, where they name one."""
    folders = [home.extract(extract, partner.partner_id, school_year) for extract in (_EXAMS, "students")]
    if not all(folder.exists() for folder in folders):
        return
    exams, students = (
        pl.read_parquet(sealed.parquet_of(folder), hive_partitioning=False) for folder in folders
    )
    known = pl.col("student_id").is_in(students["student_id"].implode())
    found = exams.with_row_index("row").filter(~known).with_columns(pl.lit(None, pl.String).alias(_KNOWN))
    found = found.with_columns(matched_by=pl.lit(None, pl.String))
    for tier, column, of_student in _TIERS:
        one = students.select(
            pl.col(of_student).alias("key"), pl.col("student_id").alias("hers")
        ).drop_nulls()
        one = one.unique("key", keep="none")
        found = found.join(one, left_on=column, right_on="key", how="left", maintain_order="left")
        first = pl.col(_KNOWN).is_null() & pl.col("hers").is_not_null()
        found = found.with_columns(
            pl.when(first).then("hers").otherwise(_KNOWN).alias(_KNOWN),
            pl.when(first).then(pl.lit(tier)).otherwise("matched_by").alias("matched_by"),
        ).drop("hers")
    found = found.drop_nulls(_KNOWN).with_columns(student_id=_KNOWN).drop(_KNOWN)
    key = list(EXTRACTS[_EXAMS].key)
    found = found.unique(key, keep="none").join(exams, on=key, how="anti", maintain_order="left")
    if found.is_empty():
        return
    rest = exams.with_row_index("row").join(found, on="row", how="anti", maintain_order="left")
    rows = pl.concat([rest, found.select(rest.columns)]).drop("row").sort(key)
    with new_folder(folders[0]) as scratch:
        sealed.write_parquet(rows, scratch / "part-0.parquet")
