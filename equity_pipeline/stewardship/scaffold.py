"""A first partner file from the files that a partner sends: guesses for a person to check, never used unseen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from equity_pipeline.adapters import readers
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.contracts.contract import Column
from equity_pipeline.domain import school_years

_ONEROSTER = {"manifest.csv", "orgs.csv", "users.csv"}
# Headers of PowerSchool, Infinite Campus, Skyward and Aeries exports that do not spell the canonical name.
_OTHER_HEADERS = {
    "birth_date": ("dob", "birthday", "birthdate"),
    "course_id": ("coursenumber", "coursecode", "crsid"),
    "course_title": ("coursename", "title"),
    "disability_idea": ("sped", "specialeducation", "iep", "swd"),
    "economically_disadvantaged": ("lunchstatus", "frl", "frpl", "freereducedlunch", "lowincome"),
    "english_learner": ("ell", "el", "lep", "elstatus", "ellstatus"),
    "entry_date": ("entrydate", "enrolldate", "startdate"),
    "exit_date": ("exitdate", "withdrawdate", "enddate"),
    "final_grade": ("grade", "mark", "finalmark", "lettergrade", "alphagradeearned"),
    "gpa": ("cumulativegpa", "cumgpa", "weightedgpa"),
    "grade_level": ("grade", "gradelevel", "gradelvl"),
    "hispanic_latino": ("hispanic", "fedethnicity", "ethnicity"),
    "homeless": ("mckinneyvento",),
    "races": ("race", "federalracecategory", "fedrace", "racecode"),
    "sced_code": ("sced", "statecoursecode"),
    "school_id": ("schoolnumber", "schoolcode", "schoolsisid", "campusid", "buildingid", "site"),
    "school_name": ("school", "name", "campus"),
    "school_year": ("year", "schoolyr", "academicyear", "sy"),
    "section_504": ("504", "plan504"),
    "section_id": ("section", "sectionnumber"),
    "sex": ("gender",),
    "student_id": ("studentnumber", "studentid", "localid", "stuid", "sisid", "personid"),
    "term": ("termcode", "termid", "storecode", "semester"),
}
# Codes whose meaning is the same in every system that we have met. A bare number's is not.
_CODES = {
    "economically_disadvantaged": {
        "f": "yes", "r": "yes", "p": "no", "free": "yes", "reduced": "yes", "paid": "no", "full price": "no",
    },
    "english_learner": {
        "english learner": "current", "ell": "current", "el": "current", "lep": "current",
        "rfep": "former", "redesignated fluent english proficient": "former",
        "ifep": "never", "initially fluent english proficient": "never", "eo": "never", "english only": "never",
    },
    "hispanic_latino": {"hispanic": "yes", "hispanic or latino": "yes", "hispanic/latino": "yes"},
    "races": {
        "american indian": "AmericanIndianOrAlaskaNative",
        "american indian or alaska native": "AmericanIndianOrAlaskaNative",
        "asian": "Asian",
        "black": "BlackOrAfricanAmerican",
        "black or african american": "BlackOrAfricanAmerican",
        "native hawaiian or other pacific islander": "NativeHawaiianOrPacificIslander",
        "native hawaiian or pacific islander": "NativeHawaiianOrPacificIslander",
        "pacific islander": "NativeHawaiianOrPacificIslander",
        "two or more races": "DemographicRaceTwoOrMoreRaces",
        "two or more": "DemographicRaceTwoOrMoreRaces",
        "white": "White",
    },
}  # fmt: skip
# A student export often says as well where the student is enrolled, and which schools there are.
_ALSO = {"students": {"school_enrollments": "school_id", "schools": "school_id"}}
_MOST_CODES = 25  # a column with more different texts is no code list, and its texts may be about persons
_DATE_FORMATS = ("%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y")


@dataclass(frozen=True)
class _Guess:
    source: dict[str, object]
    questions: tuple[str, ...]


def new_partner(partner_id: str, files: list[Path], today_school_year: int) -> tuple[str, list[str]]:
    """The text of a partner file with a guessed source for each file, and what a person must still decide.

    Raises:
        DeliveryError: a file can't be read as a table.
    """
    folders: dict[str, set[Path]] = {}
    for path in files:
        folders.setdefault(_pattern(path.name), set()).add(path.parent)
    guesses = [
        guess for path in files for guess in _sources(path, by_folder=len(folders[_pattern(path.name)]) > 1)
    ]
    questions = [
        "name, state, timezone and first_school_year",
        *(q for guess in guesses for q in guess.questions),
    ]
    sources: dict[str, dict[str, object]] = {}
    for guess in guesses:
        sources.setdefault(str(guess.source["name"]), guess.source)
    if not sources:
        sources["canonical"] = _canonical()
    partner = {
        "partner_id": partner_id,
        "name": partner_id.replace("_", " ").title(),
        "state": "XX",
        "timezone": "America/New_York",
        "first_school_year": school_years.label(today_school_year),
        "programs": [{"school_year": school_years.label(today_school_year), "program": "action_for_equity",
                      "phase": "access"}],
        "privacy": {"minimum_cell": 10},
        "sources": list(sources.values()),
    }  # fmt: skip
    text = yaml.safe_dump(partner, sort_keys=False, allow_unicode=True, width=110)
    return re.sub(r"\? ''\n +: ", "'': ", text), questions


def _canonical() -> dict[str, object]:
    return {"name": "canonical", "format": "canonical", "files": [f"{extract}.csv" for extract in EXTRACTS]}


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "*", name)


def _sources(path: Path, by_folder: bool) -> list[_Guess]:
    """`by_folder`: files of one name lie in several folders, so the folder tells what they hold."""
    names = {Path(name).name.lower() for name, _ in readers.members(path)}
    pattern, telling = _pattern(path.name), path.stem
    if by_folder:
        pattern, telling = f"{_pattern(path.parent.name)}/{pattern}", path.parent.name
    name = re.sub(r"[^a-z]+", "_", telling.lower()).strip("_") or "file"
    if names & _ONEROSTER:
        # Its files side by side are one delivery, which bears the name of one of them.
        patterns = [pattern] if len(names) > 1 else ["manifest.csv", "orgs.csv"]
        return [_Guess({"name": "roster", "format": "oneroster", "files": patterns}, ())]
    member, content = next(readers.members(path))
    frame = readers.read_delimited(content, member).frame
    headers = [header for header in frame.columns if not header.startswith("_")]
    if path.stem in EXTRACTS and set(EXTRACTS[path.stem].required) <= set(headers):
        return [_Guess(_canonical(), ())]
    extract, columns = max(
        ((extract, _columns(extract, headers)) for extract in EXTRACTS),
        key=lambda guess: len(guess[1]) - len(set(EXTRACTS[guess[0]].required) - guess[1].keys()) / 2,
    )
    guesses = [_mapping(path.name, pattern, name, extract, columns, frame)]
    used = set(columns.values())
    for other, telling_column in _ALSO.get(extract, {}).items():
        columns = _columns(other, headers)
        if telling_column in columns:
            guesses.append(_mapping(path.name, pattern, f"{name}_{other}", other, columns, frame))
            used |= set(columns.values())
    if unused := [header for header in headers if header not in used]:
        guesses.append(_Guess(guesses[0].source, (f"{path.name}: not used: {', '.join(unused)}",)))
    return guesses


def _mapping(
    file: str, pattern: str, name: str, extract: str, columns: dict[str, str], frame: pl.DataFrame
) -> _Guess:
    """One extract from a file with these columns; a required column that it lacks is an empty constant to fill in."""
    questions = [f"{file}: is it {extract}?"]
    codes_of_race = (
        set(frame[columns["races"]].str.strip_chars().str.to_lowercase()) if "races" in columns else set()
    )
    if "hispanic_latino" not in columns and codes_of_race & _CODES["hispanic_latino"].keys():
        columns = columns | {"hispanic_latino": columns["races"]}
    source: dict[str, object] = {
        "name": name,
        "format": "delimited",
        "extract": extract,
        "files": [pattern],
        "columns": columns,
    }
    mapped = {column.name: column for column in EXTRACTS[extract].columns if column.name in columns}
    values = {}
    for column_name, column in mapped.items():
        codes, undecided = _codes(column, frame[columns[column_name]])
        if column_name == "hispanic_latino" and columns[column_name] == columns.get("races"):
            # A single federal category: who stands under a race is not Hispanic, a code that nobody knows stays unknown.
            races = _CODES["races"].keys()
            codes = {code: "no" if code.lower() in races else value for code, value in codes.items()}
            undecided = False
        if codes:
            values[column_name] = codes
        if undecided:
            questions.append(
                f"{file}: what do the codes of {columns[column_name]} mean that are mapped to `unknown`?"
            )
    if values:
        source["values"] = values
    if missing := [column for column in EXTRACTS[extract].required if column not in columns]:
        source["constants"] = dict.fromkeys(missing, "")
        questions.append(f"{file}: which column, or which constant, is {', '.join(missing)} of {extract}?")
    dates = [frame[columns[column_name]] for column_name, column in mapped.items() if column.type == "date"]
    formats = _date_formats(dates)
    if formats:
        source["options"] = {"date_format": formats[0]}
    if len(formats) > 1:
        questions.append(f"{file}: are its dates {' or '.join(formats)}?")
    return _Guess(source, tuple(questions))


def _codes(column: Column, delivered: pl.Series) -> tuple[dict[str, str], bool]:
    """A value map for a column with a closed list of values, as far as one is needed: delivered code → value. What is
    not known becomes `unknown` (or nothing, where the list has no `unknown`), and whether there is such a code."""
    codes = delivered.str.strip_chars().unique().sort().to_list()
    if column.allowed is None or len(codes) > _MOST_CODES:
        return {}, False
    canonical = pl.DataFrame({column.name: codes}).select(column.text()).to_series().to_list()
    known = {"": "unknown" if "unknown" in column.allowed else ""} | _CODES.get(column.name, {})
    if column.name == "races":
        known |= dict.fromkeys(_CODES["hispanic_latino"], "")
    map_needed = {code: known.get(code.lower()) for code, value in zip(codes, canonical, strict=True)
                  if value not in column.allowed}  # fmt: skip
    undecided = None in map_needed.values()
    return {code: known[""] if value is None else value for code, value in map_needed.items()}, undecided


def _date_formats(dates: list[pl.Series]) -> list[str]:
    """The formats that fit every date of the file; none where ISO dates or no dates are found."""
    texts = (
        pl.concat([series.str.strip_chars() for series in dates]) if dates else pl.Series([], dtype=pl.String)
    )
    texts = texts.filter(texts != "")
    if texts.is_empty() or texts.str.to_date("%Y-%m-%d", strict=False).null_count() == 0:
        return []
    return [f for f in _DATE_FORMATS if texts.str.to_date(f, strict=False).null_count() == 0]


def _columns(extract: str, headers: list[str]) -> dict[str, str]:
    """Canonical column → delivered header, each header used once."""
    free = {re.sub(r"[^a-z0-9]", "", header.lower()): header for header in reversed(headers)}
    found = {}
    for column in EXTRACTS[extract].columns:
        spellings = (column.name.replace("_", ""), *_OTHER_HEADERS.get(column.name, ()))
        if spelling := next((spelling for spelling in spellings if spelling in free), None):
            found[column.name] = free.pop(spelling)
    return found
