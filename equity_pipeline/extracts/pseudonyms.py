"""What of a person may leave the archive, and in what shape.

Belongs here: pseudonyms, and what becomes of every other thing that tells who somebody is. Does not belong here: the
keys (storage.keys), or which columns a format has (adapters).

Ids of people become HMAC-SHA-256 pseudonyms under the partner's key, the same in every file and school year, so that
whatever was joined by an id still is. Of a birth date the month stays: what the rules need is to see that two people
share an id. In columns that people fill in, only what is no one person's own words stays: a number, a choice that is named
beforehand, or what several people say alike; everything else is withheld, however short. Columns that no contract names are
never stored at all.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from threading import Lock

import numpy as np
import polars as pl
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from equity_pipeline.adapters.base import LINE
from equity_pipeline.contracts.distinct import by_distinct
from equity_pipeline.contracts.persons import IDENTITY, NAMES, PERSONS

WITHHELD = "_free_text"
"""What stands in the place of one person's own words."""
OWN_WORDS = ("response", "behavior", "comment_theme", "gender_identity")
"""Columns that people fill in."""
SEVERAL = 3
"""People, or records where a table names none, who give the same answer to the same question: then it is nobody's own."""
_CHOICES = frozenset(
    """yes|no|true|false|none|other|unknown|not sure|unsure|don't know|i don't know|prefer not to say|prefer not to answer
    |n/a|not applicable|strongly agree|agree|mostly agree|somewhat agree|slightly agree|neutral|neither agree nor disagree
    |slightly disagree|somewhat disagree|mostly disagree|disagree|strongly disagree|never|almost never|hardly ever|rarely
    |once in a while|occasionally|sometimes|often|frequently|usually|most of the time|almost always|always|not at all
    |a little|a little bit|slightly|some|somewhat|moderately|quite|quite a bit|a lot|very|very much|extremely
    |a great deal|a tremendous amount|not true|not at all true|a little true|somewhat true|mostly true|very true
    |completely true|very poor|poor|fair|average|good|very good|excellent|very unlikely|unlikely|likely|very likely
    |female|male|girl|boy|woman|man|nonbinary|non-binary|transgender|agender|genderqueer|genderfluid|two-spirit
    |questioning""".replace("\n    ", "").split("|")
)
"""Choices of the scales in use (agreement, frequency, amount, truth, quality, gender), which even one person may give."""
_BIRTH_DATE = "birth_date"
_BYTES, _LETTERS = 9, 12
"""Of the HMAC: 72 bits, twelve letters. Two of a million people get the same pseudonym once in ten billion partners, and
engines keep a text of twelve letters in its place in the column."""
_SLOTS = 2 * 1024**2
_REMEMBERED = 1_000_000
"""Ids; each block's new ones are joined to them, which takes longer the more there are."""
_PIECES = 8
"""Of memory, between which polars looks a place up as fast as in one."""
_ID, _HASH, _PLACE = "_id", "_hash", "_place"


class Pseudonyms:
    """One partner's pseudonyms. `key_id` tells which key made them, and nothing about the key."""

    def __init__(self, key: bytes) -> None:
        self._begun = HMAC(key, SHA256())
        [self.key_id] = self._of("key id", [""])
        self._known = _Known()

    def _of(self, kind: str, texts: Iterable[str]) -> list[str]:
        """The first 72 bits of each HMAC, in base64url; all in one text, because that is the cheapest way."""
        begun = self._begun.copy()
        begun.update(f"{kind}\0".encode())
        macs = []
        for text in texts:
            mac = begun.copy()
            mac.update(text.encode())
            macs.append(mac.finalize()[:_BYTES])
        letters = urlsafe_b64encode(b"".join(macs)).decode()
        return [letters[start : start + _LETTERS] for start in range(0, len(letters), _LETTERS)]

    def _each(self, kind: str, texts: list[str | None]) -> list[str | None]:
        """The same of a column: what is null or blank stays."""
        if all(texts):
            return list(self._of(kind, filter(None, texts)))
        macs = iter(self._of(kind, filter(None, texts)))
        return [text and next(macs) for text in texts]

    def person(self, text: str) -> str:
        """The pseudonym of an id: the first 72 bits of its HMAC-SHA-256, in base64url."""
        return self._of("person", [text.strip()])[0]

    def persons(self, ids: pl.Series) -> pl.Series:
        """The pseudonyms of a column of ids, each worked out once; what is null or blank stays."""
        hidden = self._known.of(ids, self._persons)
        if hidden is None:  # two of them have one hash
            texts = ids.unique()
            hidden = ids.replace_strict(texts, self._persons(texts), return_dtype=pl.String)
        return hidden.alias(ids.name)

    def _persons(self, texts: pl.Series) -> pl.Series:
        return pl.Series(
            self._each("person", [text and text.strip() for text in texts.to_list()]), dtype=pl.String
        )

    def hidden(
        self,
        rows: pl.DataFrame,
        says: Mapping[str, str] | None = None,
        choices: Mapping[str, Iterable[str]] | None = None,
    ) -> pl.DataFrame:
        """Rows as they may leave the archive. `says`: which canonical column each column is; by default its name.
        `choices`: canonical column → the answers that the partner file names."""
        columns = {column: (says or {}).get(column, column) for column in rows.columns}
        person, question = (
            next((rows[column] for column, said in columns.items() if said in sought), None)
            for sought in (PERSONS, ("item_id",))
        )
        return rows.with_columns(
            *(self.persons(rows[column]) for column, said in columns.items() if said in PERSONS),
            *(_month(rows[column]) for column, said in columns.items() if said == _BIRTH_DATE),
            *(
                _without_own_words(rows[column], person, question, (choices or {}).get(said, ()))
                for column, said in columns.items()
                if said in OWN_WORDS
            ),
        )

    def matched(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with a `match_key`, a pseudonym of name and birth date, if they say all three. Letters count, not case,
        accents, blanks or hyphens; nothing is taken for what it only resembles."""
        if not set(IDENTITY) <= set(rows.columns):
            return rows
        told = rows.select(IDENTITY).unique()
        parts = zip(
            *(map(_letters, told[name]) for name in IDENTITY[:2]), map(_day, told["birth_date"]), strict=True
        )
        whole = ["\0".join(said) if all(said) else None for said in parts]
        keys = self._each("name and birth date", whole)
        known = told.with_columns(pl.Series("match_key", keys, dtype=pl.String))
        return rows.join(known, on=IDENTITY, how="left", nulls_equal=True, maintain_order="left")

    def delivered(
        self, rows: pl.DataFrame, says: Mapping[str, str], choices: Mapping[str, Iterable[str]] | None = None
    ) -> pl.DataFrame:
        """Delivered records as they may stand in quarantine: of a column of which `says` knows nothing, only the name."""
        open_ = {column for column, said in says.items() if said not in NAMES}
        unknown = [column for column in rows.columns if column not in open_ and column != LINE]
        return self.hidden(rows, says, choices).with_columns(
            pl.lit(None, pl.String).alias(name) for name in unknown
        )


class _Known:
    """Pseudonyms worked out for earlier blocks of a file: where a text stands is found by its hash, and of two texts with
    one slot the later is remembered."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._forget(slots=0)  # most that know a key have no file to read

    def _forget(self, slots: int = _SLOTS) -> None:
        self._hashes, self._places = np.zeros(slots, np.uint64), np.zeros(slots, np.uint32)
        self._texts, self._hidden = pl.Series([None], dtype=pl.String), pl.Series([None], dtype=pl.String)

    def of(self, texts: pl.Series, made: Callable[[pl.Series], pl.Series]) -> pl.Series | None:
        """The pseudonyms of a column, those of texts not yet known as they are `made`; None where a hash misled."""
        hashes = texts.hash().to_numpy()
        slots = hashes & (_SLOTS - 1)
        with self._lock:
            if not self._hashes.size or len(self._texts) > _REMEMBERED:
                self._forget()
            places, new = self._places[slots], np.flatnonzero(self._hashes[slots] != hashes)
            if len(new):
                slots = slots[new]
                unknown = pl.DataFrame({_HASH: hashes[new], _ID: texts.gather(new)})
                distinct = unknown.unique(_HASH, keep="any").with_row_index(_PLACE, len(self._texts))
                placed = unknown.join(distinct, on=_HASH, how="left", maintain_order="left")
                places[new] = placed[_PLACE].to_numpy()
                self._hashes[slots], self._places[slots] = (
                    unknown[_HASH].to_numpy(),
                    placed[_PLACE].to_numpy(),
                )
                # In one piece now and then: each time it would be the most of the work.
                pieces = self._texts.n_chunks() < _PIECES
                self._texts = pl.concat([self._texts, distinct[_ID]], rechunk=not pieces)
                self._hidden = pl.concat([self._hidden, made(distinct[_ID])], rechunk=not pieces)
            known, hidden = self._texts, self._hidden
        return hidden.gather(places) if known.gather(places).equals(texts) else None


def _letters(text: str | None) -> str:
    folded = unicodedata.normalize("NFKD", text or "").casefold()
    return "".join(letter for letter in folded if letter.isalpha())


def _day(text: str | None) -> str:
    """The first ten characters of an ISO date, else nothing."""
    day = (text or "").strip()[:10]
    return day if re.fullmatch(r"\d{4}-\d\d-\d\d", day) else ""


def _month(dates: pl.Series) -> pl.Series:
    """ISO dates as the first of their month; other text stays, for the contract to refuse, without its digits."""
    text = pl.first()
    iso = text.str.contains(r"^\s*\d{4}-\d{2}-\d{2}")
    month = pl.when(iso & text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).is_not_null())
    reduced = month.then(text.str.replace(r"^\s*(\d{4}-\d{2})-\d{2}", "$1-01")).otherwise(
        text.str.replace_all(r"\d", "0")
    )
    return by_distinct(dates, lambda texts: texts.select(reduced))[0]


def _without_own_words(
    texts: pl.Series, person: pl.Series | None, question: pl.Series | None, choices: Iterable[str]
) -> pl.Series:
    """What is a number, a choice, or an answer of several people stays, each part between `;` by itself; the rest is
    withheld."""
    name, known = texts.name, _CHOICES | {choice.strip().lower() for choice in choices}
    part = pl.col("part").str.strip_chars().str.to_lowercase()
    own = (
        texts.unique().drop_nulls().to_frame("text")
        .with_columns(part=pl.col("text").str.split(";")).explode("part").with_columns(part)
        .filter(
            ~part.is_in(known) & ~part.str.starts_with("_") & part.cast(pl.Float64, strict=False).is_null()
            & (part != "")
        )
    )  # fmt: skip
    if own.is_empty():
        return texts
    rows = pl.DataFrame({"text": texts}).with_row_index("row").with_columns(
        (pl.col("row").cast(pl.String) if person is None else person).alias("person"),
        (pl.lit(None, pl.String) if question is None else question).alias("question"),
    )  # fmt: skip
    said = rows.select("question", "text", "person").unique().join(own, on="text")
    several = pl.col("person").n_unique().over("question", "part") >= SEVERAL
    withheld = said.filter(~several).select("question", "text").unique().with_columns(own=True)
    told = rows.join(
        withheld, on=["question", "text"], how="left", nulls_equal=True, maintain_order="left"
    )  # fmt: skip
    return told.select(pl.when("own").then(pl.lit(WITHHELD)).otherwise("text").alias(name)).to_series()


def withheld_in(rows: pl.DataFrame) -> list[str]:
    """The columns of hidden rows of which something was withheld."""
    return [name for name in OWN_WORDS if name in rows.columns and (rows[name] == WITHHELD).any()]
