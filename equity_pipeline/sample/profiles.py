"""Who the five sample districts are and which story each one tells. Figures only; nothing is generated here.

Rates follow the published range (College Board, CRDC): AP or IB participation of 10 to 45 percent by group, course grade
C or better 70 to 90, exam taking about 75, passing 40 to 60. The gap of a group is the story: it is planted exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

YEARS = (2022, 2023, 2024, 2025, 2026)


@dataclass(frozen=True)
class School:
    """`share`: its part of the students of its grades; `tilt` > 1 draws groups who are behind in access."""

    school_id: str
    name: str
    grades: tuple[int, ...]
    share: float
    tilt: float = 1.0
    ib: bool = False


@dataclass(frozen=True)
class Profile:
    """One district: size, schools, mix of groups and the planted access rate of each group in each of `YEARS`.

    `reference`: AP or IB enrollment rate of white students per year; `gap`: each other group's distance from it.
    `income_pull`: how strongly low income lowers the chance to be chosen within a group (log weight), per year.
    `holds`: the optional student fields this district keeps at all; `extracts`: what it delivers.
    `final_grades`: `letter` or `numeric`; `other_sex`: what its system says of students who are neither female nor male;
    `unnamed_races`: share of students of two or more races of whom only that is known; `homeroom`: each student has one;
    `marks_dropped`: a course that was dropped stays on file, marked; `has_sced`: courses have SCED codes.
    """

    partner_id: str
    students: int
    schools: tuple[School, ...]
    mix: dict[str, float]
    reference: tuple[float, ...]
    gap: dict[str, tuple[float, ...]]
    income_pull: tuple[float, ...]
    low_income: float
    holds: frozenset[str]
    first_day: tuple[int, int]
    first_number: int
    id_width: int
    extracts: frozenset[str]
    final_grades: str = "letter"
    other_sex: str = "nonbinary"
    unnamed_races: float = 0.0
    always_marks_primary: bool = False
    courses_elsewhere: bool = True
    homeroom: bool = False
    marks_dropped: bool = True
    has_sced: bool = True


HIGH, MIDDLE = (9, 10, 11, 12), (7, 8)
ACADEMIC = frozenset({"schools", "students", "school_enrollments", "courses", "course_enrollments"})
ALL_FIELDS = frozenset(
    {"economically_disadvantaged", "english_learner", "disability_idea", "section_504", "homeless", "foster_care",
     "first_generation", "birth_date", "gpa"}
)  # fmt: skip


def _flat(value: float) -> tuple[float, ...]:
    return (value,) * len(YEARS)


# Groups whose gap is not the story keep their distance.
_STEADY = {
    "american_indian_or_alaska_native": _flat(-0.11),
    "asian": _flat(0.13),
    "native_hawaiian_or_pacific_islander": _flat(-0.09),
    "two_or_more": _flat(-0.01),
    "unknown": _flat(-0.04),
}

RIVERSIDE = Profile(
    partner_id="riverside_usd",
    students=15_000,
    schools=(
        School("0041", "Riverside Middle School", MIDDLE, 1.0),
        School("0101", "Ramona High School", HIGH, 0.24, 1.3),
        School("0102", "Poly High School", HIGH, 0.22),
        School("0103", "Arlington High School", HIGH, 0.21, 1.2),
        School("0104", "King High School", HIGH, 0.20, 0.6),
        School("0105", "Lincoln Continuation High School", HIGH, 0.13, 1.4),
    ),
    mix={"hispanic": 0.38, "white": 0.30, "black": 0.15, "asian": 0.08, "two_or_more": 0.05, "unknown": 0.02,
         "american_indian_or_alaska_native": 0.01, "native_hawaiian_or_pacific_islander": 0.01},
    reference=(0.300, 0.305, 0.310, 0.310, 0.315),
    gap=_STEADY | {"black": (-0.190, -0.150, -0.108, -0.066, -0.028), "hispanic": (-0.160, -0.128, -0.094, -0.060, -0.027)},
    income_pull=(-1.0, -0.8, -0.55, -0.35, -0.15),
    low_income=0.55,
    holds=ALL_FIELDS,
    first_day=(8, 11),
    first_number=12_401,
    id_width=7,
    extracts=ACADEMIC | {"exam_results", "attendance", "discipline", "survey_responses", "survey_items"},
)  # fmt: skip

LAKEVIEW = Profile(
    partner_id="lakeview_sd",
    students=6_000,
    schools=(
        School("L10", "Lakeview Middle School", MIDDLE, 1.0),
        School("L21", "Lakeview International High School", HIGH, 0.40, 0.9, ib=True),
        School("L22", "Northshore High School", HIGH, 0.33, 0.8),
        School("L23", "Harbor Hill High School", HIGH, 0.27, 1.4),
    ),
    mix={"white": 0.42, "black": 0.20, "hispanic": 0.20, "asian": 0.10, "two_or_more": 0.06, "unknown": 0.012,
         "american_indian_or_alaska_native": 0.006, "native_hawaiian_or_pacific_islander": 0.002},
    reference=(0.310, 0.310, 0.315, 0.315, 0.320),
    gap=_STEADY | {"black": (-0.175, -0.112, -0.050, -0.006, 0.001), "hispanic": (-0.165, -0.102, -0.048, -0.004, 0.002)},
    income_pull=(-0.9, -0.7, -0.4, -0.2, -0.2),
    low_income=0.38,
    holds=ALL_FIELDS - {"gpa"},
    first_day=(9, 1),
    first_number=600_101,
    id_width=6,
    extracts=ACADEMIC | {"exam_results"},
    other_sex="unknown",
    unnamed_races=0.15,
    always_marks_primary=True,
    courses_elsewhere=False,
    homeroom=True,
)  # fmt: skip

CEDAR_VALLEY = Profile(
    partner_id="cedar_valley_isd",
    students=8_000,
    schools=(
        School("41", "Cedar Valley Junior High", MIDDLE, 1.0),
        School("3", "Cedar Valley High School", HIGH, 0.38, 0.7),
        School("5", "Oak Ridge High School", HIGH, 0.34, 1.1),
        School("12", "Juniper Early College High School", HIGH, 0.28, 1.3),
    ),
    mix={"hispanic": 0.33, "white": 0.34, "black": 0.21, "asian": 0.05, "two_or_more": 0.04, "unknown": 0.018,
         "american_indian_or_alaska_native": 0.008, "native_hawaiian_or_pacific_islander": 0.004},
    reference=(0.270, 0.275, 0.280, 0.280, 0.290),
    gap=_STEADY | {"black": (-0.160, -0.108, -0.052, -0.008, -0.072), "hispanic": (-0.145, -0.098, -0.047, -0.006, -0.066)},
    income_pull=(-0.9, -0.6, -0.4, -0.2, -0.7),
    low_income=0.52,
    holds=frozenset({"economically_disadvantaged", "english_learner", "disability_idea", "section_504", "homeless",
                     "birth_date", "gpa"}),
    first_day=(8, 16),
    first_number=30_217,
    id_width=5,
    extracts=ACADEMIC | {"exam_results"},
    final_grades="numeric",
    has_sced=False,
)  # fmt: skip

HARBORVIEW = Profile(
    partner_id="harborview_ps",
    students=4_000,
    schools=(
        School("255901041", "Harborview Middle School", MIDDLE, 1.0),
        School("255901001", "Harborview High School", HIGH, 0.58, 0.8),
        School("255901002", "Bayside High School", HIGH, 0.42, 1.3),
    ),
    mix={"white": 0.44, "black": 0.22, "hispanic": 0.18, "asian": 0.09, "two_or_more": 0.045, "unknown": 0.015,
         "american_indian_or_alaska_native": 0.007, "native_hawaiian_or_pacific_islander": 0.003},
    reference=(0.330, 0.330, 0.330, 0.330, 0.225),
    gap=_STEADY | {"black": (-0.115, -0.118, -0.112, -0.108, -0.004), "hispanic": (-0.105, -0.108, -0.104, -0.101, -0.003)},
    income_pull=(-0.6, -0.6, -0.6, -0.6, -0.3),
    low_income=0.41,
    holds=frozenset({"economically_disadvantaged", "english_learner", "disability_idea", "homeless", "foster_care",
                     "birth_date"}),
    first_day=(8, 23),
    first_number=704_001,
    id_width=6,
    extracts=ACADEMIC | {"attendance", "discipline"},
    marks_dropped=False,
    has_sced=False,
)  # fmt: skip

PRAIRIE_ROSE = Profile(
    partner_id="prairie_rose_sd",
    students=1_500,
    schools=(
        School("1001", "Prairie Rose Secondary School", MIDDLE + HIGH, 0.72),
        School("1002", "Coteau High School", HIGH, 0.28),
    ),
    mix={"white": 0.83, "american_indian_or_alaska_native": 0.06, "hispanic": 0.05, "two_or_more": 0.03, "black": 0.012,
         "asian": 0.008, "unknown": 0.006, "native_hawaiian_or_pacific_islander": 0.004},
    reference=(0.190, 0.195, 0.200, 0.205, 0.210),
    gap=_STEADY | {"black": _flat(-0.06), "hispanic": _flat(-0.07)},
    income_pull=_flat(-0.5),
    low_income=0.36,
    holds=frozenset({"economically_disadvantaged", "english_learner", "disability_idea"}),
    first_day=(8, 18),
    first_number=1_001,
    id_width=5,
    extracts=frozenset({"schools", "aggregate_counts"}),
)  # fmt: skip
