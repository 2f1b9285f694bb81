"""Work done once for each distinct text gives what work on every row gives."""

import polars as pl
import pytest

from equity_pipeline.contracts.distinct import Distinct, by_distinct, plain

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


@pytest.mark.parametrize("coded", [False, True])
def test_blocks_one_after_the_other_and_each_text_once(coded):
    asked = []

    def work(frame):
        asked.extend(frame["text"])
        return frame.select(pl.col("text").replace({"b": "B"}), pl.col("text").is_null().alias("absent"))

    blocks = [["a", "b"] * 50, ["c"] * 50, ["a", None, "c"] * 50, [None] * 50, ["b"] * 50, ["d", "a"] * 50]
    column = Distinct(work, coded)
    for texts in blocks:
        told = plain(pl.DataFrame(column.of(pl.Series("text", texts, pl.String))))
        assert told.rows() == [({"b": "B"}.get(text, text), text is None) for text in texts]
    assert asked == [None, "a", "b", "c", "d"]


def test_a_block_of_many_texts_is_worked_on_as_it_is_and_the_next_starts_anew():
    column = Distinct(lambda frame: frame.select(pl.col("text") + "!"))
    for texts in (["a", "b"] * 50, [str(number % 90) for number in range(100)], ["b", "c"] * 50):
        [told] = column.of(pl.Series("text", texts))
        assert told.to_list() == [f"{text}!" for text in texts]
