"""Whatever mess a file of any format is in, what is loaded equals what was written.

A small district of the sample generator gets values at random; each writer delivers it; the delivered files are made a
mess of (order of records and columns, quotes, line ends, encodings, blank lines, repeated records and headers, titles,
totals, arrays or XML for lines, workbooks and fixed widths for delimited text); they are taken in by the district's own partner file.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
import tempfile
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from equity_pipeline import sample
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.extracts.intake import load_extracts, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.pseudonyms import withheld_in
from equity_pipeline.extracts.reading import UNREADABLE_YEAR
from equity_pipeline.partners import registry
from equity_pipeline.sample.district import SampleDistrict
from equity_pipeline.sample.writers import college_board_sat
from equity_pipeline.storage.home import Home
from tests.adapters.test_edfi_xml import interchange
from tests.unmasked import unmasked

YEAR = 2026
PARTNERS = ("riverside_usd", "lakeview_sd", "cedar_valley_isd", "harborview_ps", "prairie_rose_sd")
SCORES = "sat_usd"
PLATFORMS = ("AP_", "SAT", "PSAT", "connectedness_survey_")
# What a format can't say, or says in its own words: Ed-Fi has names of sessions for terms, no word for dropped, days of
# enrollment by calendar, and of who is homeless or in foster care only who is.
NOT_SAID = {
    "harborview_ps": {
        "students": {"homeless", "foster_care"},
        "course_enrollments": {"term", "dropped"},
        "attendance": {"days_enrolled"},
        "courses": {"school_id", "course_level", "subject", "credits", "course_title"},
    }
}


class DistrictOfScores(SampleDistrict):
    """Sends College Board's files of PSAT and SAT, as none of the sample does."""

    @property
    def partner_file(self) -> str:
        psat = "".join(
            f"  - {{name: {name}, format: college_board_ap, extract: readiness_scores, files: ['{name.upper()}_*.csv'], "
            f"constants: {{assessment: {name}}}}}\n"
            for name in ("psat_8_9", "psat_10", "psat_nmsqt")
        )
        return (
            f"partner_id: {SCORES}\nname: S\nstate: CA\ntimezone: UTC\nfirst_school_year: 2021-22\nsources:\n"
            "  - {name: sat, format: college_board_ap, extract: readiness_scores, files: [SAT.csv]}\n" + psat
        )


def scores(luck: random.Random) -> dict[str, pl.DataFrame]:
    """Some sections of some sittings of some students."""
    contract = EXTRACTS["readiness_scores"]
    sections, assessments = (
        next(column.allowed for column in contract.columns if column.name == name)
        for name in ("section", "assessment")
    )
    rows = [
        (year, f"{student:06d}", assessment, section,
         luck.randint(12, 80) / 2 if section.endswith("_test") else float(luck.randrange(120, 1600, 10)))
        for student in luck.sample(range(10**6), 12)
        for year in range(YEAR - 4, YEAR + 1)
        for assessment in assessments
        for section in luck.sample(sections, luck.randint(0, len(sections)))
        if luck.random() < 0.7
    ]  # fmt: skip
    columns = ("school_year", *contract.key, "score")
    return {"readiness_scores": pl.DataFrame(rows, columns, orient="row")}


@cache
def districts() -> dict[str, SampleDistrict]:
    of_scores = DistrictOfScores(SCORES, {}, (college_board_sat,))
    return {one.partner_id: one for one in (*sample.generate(seed=1, scale=0.01), of_scores)}


def shaken(tables: dict[str, pl.DataFrame], luck: random.Random) -> dict[str, pl.DataFrame]:
    """One school year of some of the students, the values of each of whose columns are dealt out anew."""
    year = {"school_year", "exam_year"}
    result = {
        name: table.filter(pl.col(*year.intersection(table.columns)) == YEAR) if year & {*table.columns} else table
        for name, table in tables.items()
    }  # fmt: skip
    if "students" not in result:
        return result
    students = result["students"]
    kept = students.sample(fraction=luck.uniform(0.5, 1), seed=luck.randrange(2**31)).sort("student_id")
    dealt = [
        kept[name].shuffle(seed=luck.randrange(2**31))
        for name in (
            "sex",
            "hispanic_latino",
            "races",
            "economically_disadvantaged",
            "english_learner",
            "disability_idea",
        )
    ]
    result["students"] = kept.with_columns(dealt)
    for name, table in result.items():
        if (
            name != "students" and table.schema.get("student_id") == pl.String
        ):  # null: rows of classes and schools
            result[name] = table.join(
                kept.select("student_id"), on="student_id", how="semi", maintain_order="left"
            )
    seats = result["course_enrollments"]
    graded = seats["final_grade"].is_not_null()
    grades = seats.filter(graded)["final_grade"].shuffle(seed=luck.randrange(2**31))
    result["course_enrollments"] = pl.concat(
        [seats.filter(graded).with_columns(grades), seats.filter(~graded)]
    )
    return result


def parted(content: bytes) -> tuple[str, list[str], list[list[str]]]:
    """The delimiter, the header and the records of a written file."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("cp1252")
    delimiter = max(",\t;|", key=text.partition("\n")[0].count)
    header, *records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return delimiter, header, records


def reclothed(partner_file: str, landing: Path, luck: random.Random) -> tuple[str, set[str]]:
    """Some of the `delimited` sources as workbooks or in fixed widths, and the partner file that says so; the names of those files."""
    said, made = yaml.safe_load(partner_file), set()
    for source in said["sources"]:
        kind = luck.choice(("text", "workbook", "fixed"))
        if source["format"] != "delimited" or kind == "text":
            continue
        files = [path for pattern in source["files"] for path in sorted(landing.glob(pattern))]
        tables = {path: parted(path.read_bytes())[1:] for path in files}
        if kind == "fixed":
            header = next(iter(tables.values()))[0]
            cells = [header, *(record for _, records in tables.values() for record in records)]
            ends = list(
                itertools.accumulate(
                    max(map(len, column)) + luck.randint(0, 3) for column in zip(*cells, strict=True)
                )
            )
            widths = {
                name: f"{begin + 1}-{end}" for name, begin, end in zip(header, [0, *ends], ends, strict=False)
            }
            source.setdefault("options", {})["fixed_widths"] = widths
        for path, (header, records) in tables.items():
            records += luck.choices(records, k=luck.randint(0, 4)) if records else []
            luck.shuffle(records)
            path.unlink()
            if kind == "workbook":
                path = path.with_suffix(".xlsx")
                pl.DataFrame(records, schema=dict.fromkeys(header, pl.String), orient="row").write_excel(
                    path, autofilter=False
                )
            else:
                lines = (
                    "".join(
                        cell.ljust(end - begin)
                        for cell, begin, end in zip(record, [0, *ends], ends, strict=False)
                    )
                    for record in records
                )
                path = path.with_suffix(".txt")
                path.write_bytes(
                    "\r\n".join(lines).encode(source.get("options", {}).get("encoding", "utf-8"))
                )
            made.add(path.name)
        source["files"] = [
            str(Path(pattern).with_suffix(".xlsx" if kind == "workbook" else ".txt"))
            for pattern in source["files"]
        ]
    return yaml.safe_dump(said), made


def messed_csv(
    content: bytes, luck: random.Random, encodings: tuple[str, ...], titled: bool
) -> tuple[bytes, int]:
    """The file, and how many records in it are no rows. `titled`: lines may stand before the header."""
    delimiter, header, records = parted(content)
    records += luck.choices(records, k=luck.randint(0, 4)) if records else []
    luck.shuffle(records)
    order = luck.sample(range(len(header)), len(header))
    rows = [[row[at] for at in order] for row in (header, *records)]
    for _ in range(luck.randint(0, 2)):
        rows.insert(luck.randint(1, len(rows)), rows[0])
    totals = [["Total", "", "", ""][: 4 if len(header) < 4 else 3]] * luck.randint(0, 2 if records else 0)
    for row in totals:
        rows.insert(luck.randint(2, len(rows)) if len(rows) > 2 else len(rows), row)
    out = io.StringIO()
    if titled and luck.random() < 0.5:
        out.write("Report of the district\n\n")
    quoting = luck.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC))
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=luck.choice(("\n", "\r\n")))
    for row in rows:
        writer.writerow(row)
        if luck.random() < 0.02:
            out.write("\n")
    for encoding in luck.sample(encodings, len(encodings)):
        try:
            return out.getvalue().encode(encoding), len(totals)
        except UnicodeEncodeError:
            continue
    return out.getvalue().encode(), len(totals)


def said(record: object) -> object:
    """A record without its nulls, which XML has no word for."""
    if isinstance(record, dict):
        return {name: said(value) for name, value in record.items() if value is not None}
    return [said(item) for item in record] if isinstance(record, list) else record


def messed_json(resource: str, content: bytes, luck: random.Random) -> tuple[str, bytes]:
    """The end of the name and the content: lines, an array, or interchange XML."""
    lines = content.decode().splitlines()
    lines += luck.choices(lines, k=luck.randint(0, 4)) if lines else []
    luck.shuffle(lines)
    if luck.random() < 0.3:
        return ".xml", interchange({resource: [said(json.loads(line)) for line in lines]}).encode()
    if luck.random() < 0.4:
        return ".json", json.dumps(
            [json.loads(line) for line in lines], indent=luck.choice((None, 2))
        ).encode()
    for _ in range(luck.randint(0, 3)):
        lines.insert(luck.randint(0, len(lines)), "")
    return ".jsonl", "\r\n".join(lines).encode(luck.choice(("utf-8", "utf-8-sig")))


def mess_up(
    landing: Path, luck: random.Random, encodings: tuple[str, ...], messed: set[str]
) -> dict[str, int]:
    """Make a mess of every file that is none yet; the records in each that are no rows."""
    noise = {}
    for path in sorted(landing.iterdir()):
        if path.name in messed:
            continue
        if path.suffix != ".zip":
            # What an exam programme or a survey platform writes is no report of the district's.
            content, noise[path.name] = messed_csv(
                path.read_bytes(), luck, encodings, titled=not path.name.startswith(PLATFORMS)
            )
            path.write_bytes(content)
            continue
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name in luck.sample(sorted(members), len(members)):
                if name.endswith(".jsonl"):
                    resource = name.removesuffix(".jsonl")
                    end, content = messed_json(resource, members[name], luck)
                    archive.writestr(resource + end, content)
                else:
                    content, noise[f"{path.name}!{name}"] = messed_csv(
                        members[name], luck, encodings, titled=False
                    )
                    archive.writestr(name, content)
    return noise


def stored(home: Home, partner_id: str, extract: str) -> pl.DataFrame:
    folder = home.root / "extracts" / extract / f"partner_id={partner_id}"
    return unmasked(
        pl.concat(
            pl.read_parquet(file, hive_partitioning=False).with_columns(
                school_year=pl.lit(int(file.parent.name.removeprefix("school_year=")))
            )
            for file in sorted(folder.rglob("*.parquet"))
        )
    )


def comparable(frame: pl.DataFrame, columns: list[str]) -> list[tuple]:
    """Rows as sorted text; what is unknown is null, and a day is its midnight."""
    numbers = pl.col(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt32).cast(pl.Float64)
    text = (
        frame.select(columns)
        .with_columns(numbers)
        .with_columns(
            pl.all().cast(pl.String).str.strip_suffix("T00:00:00").replace({"unknown": None, "": None})
        )
    )
    return sorted(text.unique().rows(), key=str)


@pytest.mark.parametrize("partner_id", [*PARTNERS, SCORES])
@settings(max_examples=5, phases=(Phase.reuse, Phase.generate))  # a smaller seed is no simpler mess
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_loaded_is_what_was_written(partner_id, seed):
    luck = random.Random(seed)
    district = districts()[partner_id]
    district = replace(
        district, tables=scores(luck) if partner_id == SCORES else shaken(district.tables, luck)
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.partners.mkdir(parents=True)
        file = home.partners / f"{partner_id}.yml"
        landing = home.landing(partner_id)
        district.deliver(landing)
        partner_file, messed = reclothed(district.partner_file, landing, luck)
        file.write_text(partner_file, encoding="utf-8")
        states_one = "encoding:" in partner_file
        encodings = ("cp1252",) if states_one else ("utf-8", "utf-8-sig", "utf-16", "cp1252")
        noise = mess_up(landing, luck, encodings, messed)
        partner = registry.load(file)
        refused = [result.message for result in take_delivery(home, partner) if result.status != "accepted"]
        assert not refused
        for year in sorted(Ledger(home).pending(partner_id)):
            load_extracts(home, partner, year)

        rejected: dict[str, int] = {}
        for load in Ledger(home).loads(partner_id):
            if load["school_year"] == UNREADABLE_YEAR:
                rejected[load["file"]] = max(load["rejected"], rejected.get(load["file"], 0))
        assert {file: n for file, n in rejected.items() if n} == {file: n for file, n in noise.items() if n}
        for extract, table in district.tables.items():
            if extract == "aggregate_counts":
                table = table.drop_nulls(["n", "successes"])
            if "birth_date" in table.columns:  # of which the month leaves the archive
                table = table.with_columns(pl.col("birth_date").dt.truncate("1mo"))
            if table.is_empty():
                continue
            loaded = stored(home, partner_id, extract)
            # Of so few students some words are one person's own.
            unsaid = NOT_SAID.get(partner_id, {}).get(extract, set()) | set(withheld_in(loaded))
            stands = {*EXTRACTS[extract].stored, EXTRACTS[extract].year}
            columns = [c for c in table.columns if c in stands and c not in unsaid]
            if extract == "courses" and "school_id" not in columns:
                taught = district.tables["course_enrollments"].select("course_id")
                table, loaded = (one.join(taught, on="course_id", how="semi") for one in (table, loaded))
            assert comparable(loaded, columns) == comparable(table, columns), extract
