"""Writes an invented district's files of a school year: `python3 docs/first_district.py FOLDER [2026-27]` (tutorial.md)."""

import csv
import random
import sys
from pathlib import Path

ROSTER = [
    "StudentNumber", "SchoolNumber", "SchoolName", "GradeLevel", "EntryDate", "Race", "Gender", "LunchStatus", "SchoolYear",
]  # fmt: skip
GRADES = ["StudentNumber", "SchoolNumber", "CourseNumber", "SchoolYear", "LetterGrade"]
COURSES = ["CourseNumber", "CourseTitle", "CourseLevel", "SchoolYear"]
RACES = {"White": 5, "Hispanic": 4, "Black or African American": 2, "Asian": 1}


def main(folder: Path, year: str) -> None:
    """1,200 students of two high schools; about 35 % of some groups and 18 % of others are enrolled in AP."""
    draw = random.Random(year)
    roster, grades = [ROSTER], [GRADES]
    for student in range(1, 1201):
        school = draw.choice([101, 102])
        race = draw.choices(list(RACES), list(RACES.values()))[0]
        grade = 99 if student == 1200 else draw.randint(9, 12)
        lunch = draw.choice(["Free", "Reduced", "Direct", "Paid", "Paid", "Paid"])
        name = f"Maple Grove High {school}"
        roster.append(
            [student, school, name, grade, f"{year[:4]}-08-20", race, draw.choice("FM"), lunch, year]
        )
        grades.append([student, school, "ENG1", year, draw.choice("ABCD")])
        if draw.random() < (0.35 if race in ("White", "Asian") else 0.18):
            grades.append([student, school, "APUSH", year, draw.choice("ABC")])
    courses = [COURSES, ["ENG1", "English", "Regular", year], ["APUSH", "AP US History", "AP", year]]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("roster", roster), ("course_grades", grades), ("courses", courses)):
        with (folder / f"{name}_{year}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(sys.argv[2:] or ["2025-26"]))
