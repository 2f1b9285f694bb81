"""A first partner file from the files that a partner sends: guesses for a person to check, never used unseen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from equity_pipeline.adapters import readers
from equity_pipeline.domain import school_years
from equity_pipeline.extracts.contracts import EXTRACTS

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
    "final_grade": ("grade", "mark", "finalmark", "lettergrade"),
    "grade_level": ("grade", "gradelevel", "gradelvl"),
    "hispanic_latino": ("hispanic", "fedethnicity", "ethnicity"),
    "homeless": ("mckinneyvento",),
    "races": ("race", "federalracecategory", "fedrace", "racecode"),
    "sced_code": ("sced", "statecoursecode"),
    "school_id": ("schoolnumber", "schoolcode", "campusid", "buildingid", "site"),
    "school_name": ("school", "name", "campus"),
    "school_year": ("year", "schoolyr", "academicyear", "sy"),
    "section_504": ("504", "plan504"),
    "section_id": ("section", "sectionnumber"),
    "sex": ("gender",),
    "student_id": ("studentnumber", "studentid", "localid", "stuid", "sisid", "personid"),
    "term": ("termcode", "storecode", "semester"),
}


@dataclass(frozen=True)
class _Guess:
    source: dict[str, object]
    questions: tuple[str, ...]


def new_partner(partner_id: str, files: list[Path], today_school_year: int) -> tuple[str, list[str]]:
    """The text of a partner file with a guessed source for each file, and what a person must still decide.

    Raises:
        DeliveryError: a file can't be read as a table.
    """
    guesses = [_source(path) for path in files]
    questions = ["name, state, timezone and first_school_year", *(q for guess in guesses for q in guess.questions)]
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
    return yaml.safe_dump(partner, sort_keys=False, allow_unicode=True, width=110), questions


def _canonical() -> dict[str, object]:
    return {"name": "canonical", "format": "canonical", "files": [f"{extract}.csv" for extract in EXTRACTS]}


def _source(path: Path) -> _Guess:
    names = {Path(name).name.lower() for name, _ in readers.members(path)}
    pattern = re.sub(r"\d+", "*", path.name)
    name = re.sub(r"[^a-z]+", "_", path.stem.lower()).strip("_") or "file"
    if names & _ONEROSTER:
        return _Guess({"name": "roster", "format": "oneroster", "files": [pattern]}, ())
    if path.stem in EXTRACTS:
        return _Guess(_canonical(), ())
    member, content = next(readers.members(path))
    headers = [
        header for header in readers.read_delimited(content, member).frame.columns if not header.startswith("_")
    ]
    extract, columns = max(
        ((extract, _columns(extract, headers)) for extract in EXTRACTS),
        key=lambda guess: (_needed(guess[0], guess[1]), len(guess[1])),
    )
    missing = [column for column in EXTRACTS[extract].required if column not in columns]
    unused = [header for header in headers if header not in columns.values()]
    questions = [f"{path.name}: is it {extract}?"]
    if missing:
        questions.append(f"{path.name}: which column, or which constant, is {', '.join(missing)}?")
    if unused:
        questions.append(f"{path.name}: not used: {', '.join(unused)}")
    source = {"name": name, "format": "delimited", "extract": extract, "files": [pattern], "columns": columns}
    return _Guess(source, tuple(questions))


def _columns(extract: str, headers: list[str]) -> dict[str, str]:
    """Canonical column → delivered header, each header used once."""
    free = {re.sub(r"[^a-z0-9]", "", header.lower()): header for header in reversed(headers)}
    found = {}
    for column in EXTRACTS[extract].columns:
        spellings = (column.name.replace("_", ""), *_OTHER_HEADERS.get(column.name, ()))
        if spelling := next((spelling for spelling in spellings if spelling in free), None):
            found[column.name] = free.pop(spelling)
    return found


def _needed(extract: str, columns: dict[str, str]) -> float:
    """The share of an extract's required columns that were found."""
    required = EXTRACTS[extract].required
    return sum(column in columns for column in required) / len(required)
