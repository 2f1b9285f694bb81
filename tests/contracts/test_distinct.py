"""Work done once for each distinct text gives what work on every row gives."""

import polars as pl
import pytest

from equity_pipeline.contracts.distinct import by_distinct

TEXTS = {
    "no rows": [],
    "one text": ["x"] * 5000,
    "few": ["x", " y", ""] * 2000,
    "few and none": ["x", None, "z"] * 2000,
    "nothing": [None] * 5000,
    "two rows": ["x", "y"],
    "each its own": [str(number) for number in range(6000)],
    "many after few": ["x"] * 5000 + [str(number) for number in range(20_000)],
}


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_the_same_as_on_every_row(texts):
    column = pl.Series("text", texts, pl.String)
    text = pl.col("text")

    def work(frame):
        return frame.select(
            text, text.str.strip_chars().fill_null("none").alias("stripped"), text.is_null().alias("absent"),
            pl.when(text == "x").then(1).alias("x"), pl.lit(None, pl.Date).alias("never"),
        )  # fmt: skip

    expected = work(column.to_frame()).with_columns(pl.lit(None, pl.Date).alias("never"))
    assert pl.DataFrame(by_distinct(column, work)).equals(expected)
