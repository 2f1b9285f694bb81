"""Districts at random, small and untidy: two years, three schools, every extract that a metric reads."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

RACES = ["White", "White", "BlackOrAfricanAmerican", "Asian", "AmericanIndianOrAlaskaNative", "White;Asian", "",
         "BlackOrAfricanAmerican;White"]  # fmt: skip
COURSES = {"ap_bio": ("ap", "science"), "ap_lit": ("ap", "english"), "ib_math": ("ib", "mathematics"),
           "hon_chem": ("honors", "science"), "algebra": ("general", "mathematics")}  # fmt: skip
GRADES = ["A", "B+", "C", "C-", "D", "F", "91", "70", "69.5", "P", "W", "INC", None]
Tables = dict[str, dict[str, list[Any]]]


def tables(seed: int, students: int = 70) -> Tables:
    """Extract → column → values, in the canonical types."""
    dice = random.Random(seed)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (
        "students", "school_enrollments", "courses", "course_enrollments", "exam_results", "attendance", "discipline",
        "survey_responses", "readiness_scores",
    )}  # fmt: skip
    rows["survey_items"] = [
        {"school_year": 2024, "survey_id": "fall", "item_id": item, "construct": construct, "scale_min": 1, "scale_max": 5,
         "favorable": "4;5", "reverse": reverse}
        for item, construct, reverse in (("b1", "belonging", "no"), ("b2", "belonging", "yes"), ("e1", "expectations", "no"))
    ]  # fmt: skip
    for year in (2024, 2025):
        rows["courses"] += [
            {"school_year": year, "course_id": course, "course_title": course, "sced_code": None, "course_level": level,
             "subject": subject}
            for course, (level, subject) in COURSES.items()
        ]  # fmt: skip
        for number in range(students):
            if dice.random() < 0.1:
                continue
            student_id, school_id = f"s{number}", dice.choice("123")
            key = {"school_year": year, "student_id": student_id}
            yes_no = ["yes", "no", "no", "unknown", None]
            rows["students"].append(key | {
                "grade_level": dice.choice(["08", "09", "10", "11", "12"]), "sex": dice.choice(["female", "male", None]),
                "hispanic_latino": dice.choice(["yes", "no", "no", "unknown"]), "races": dice.choice(RACES),
                "economically_disadvantaged": dice.choice(yes_no), "english_learner": dice.choice(["current", "former", "never", None]),
                "disability_idea": dice.choice(yes_no), "section_504": dice.choice(yes_no), "homeless": dice.choice(yes_no),
                "foster_care": dice.choice(yes_no), "first_generation": dice.choice(yes_no),
            })  # fmt: skip
            left = dice.choice([None, None, dt.date(year - 1, 9, 30), dt.date(year - 1, 10, 1)])
            rows["school_enrollments"].append(
                key
                | {
                    "school_id": school_id,
                    "entry_date": dt.date(year - 1, 8, 20),
                    "exit_date": left,
                    "is_primary": "yes",
                }
            )
            for course in dice.sample(list(COURSES), dice.randint(0, 3)):
                for term in dice.choice([["FY"], ["S1", "S2"]]):
                    rows["course_enrollments"].append(key | {
                        "school_id": dice.choice([school_id, "1"]) if len(course) > 6 else school_id, "course_id": course,
                        "term": term, "final_grade": dice.choice(GRADES), "dropped": dice.choice(["no", "no", None, "yes"]),
                    })  # fmt: skip
            for program, best in (("ap", 5), ("ib", 7)):
                if dice.random() < 0.3:
                    rows["exam_results"].append(
                        {"exam_year": year, "student_id": student_id, "program": program, "exam_code": "x",
                         "score": dice.choice([None, *range(1, best + 1)])}
                    )  # fmt: skip
            for assessment in ("psat_8_9", "psat_nmsqt", "sat"):
                for section, scores in (
                    ("reading_test", (20, 40)),
                    ("math_test", (20, 40)),
                    ("math", (400, 800)),
                ):
                    if dice.random() < 0.15:
                        rows["readiness_scores"].append(
                            key
                            | {"assessment": assessment, "section": section, "score": dice.randint(*scores)}
                        )
            if dice.random() < 0.8:
                enrolled = dice.choice([5.0, 17.5, 90.0, 180.0])
                rows["attendance"].append(key | {
                    "school_id": school_id, "days_enrolled": enrolled, "days_absent": dice.randint(0, int(enrolled) // 5) + dice.choice([0.0, 0.5]),
                })  # fmt: skip
            for incident in range(dice.choice([0, 0, 0, 1, 2])):
                rows["discipline"].append(key | {
                    "school_id": dice.choice("123"), "incident_id": f"{number}-{incident}",
                    "incident_date": dt.date(year, 1, 1) + dt.timedelta(dice.randint(0, 90)),
                    "action": dice.choice(["oss", "iss", "referral", "expulsion", "warning"]),
                })  # fmt: skip
            for item in ("b1", "b2", "e1"):
                if dice.random() < 0.5:
                    rows["survey_responses"].append(key | {
                        "survey_id": "fall", "respondent_type": "student", "item_id": item,
                        "response": dice.choice([None, "1", "2", "3", "4", "5"]),
                    })  # fmt: skip
    return {
        name: {column: [row[column] for row in of] for column in of[0]} for name, of in rows.items() if of
    }
