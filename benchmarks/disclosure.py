"""Protecting and proving one school year: CPU seconds and memory against cells, and the share of groups that stay published.

    python benchmarks/disclosure.py [--schools 5 10 20 40] [--metrics 12] [--picture FILE.svg]

Students are drawn at random and counted by every one-way dimension; twelve metrics are nested as those of the
product are: takers among the enrolled, passers among takers. Beside the rule stands closure, which publishes exact numbers: it hides small counts, and then
more until every sum has none or two hidden parts; it is kept to the students of one metric.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.proof import prove
from equity_pipeline.disclosure.worlds import Year

# Dimension → share of each subgroup.
SHARES = {
    "race_ethnicity": [0.38, 0.28, 0.15, 0.09, 0.06, 0.02, 0.01, 0.01], "student_of_color": [0.6, 0.38, 0.02],
    "economically_disadvantaged": [0.45, 0.5, 0.05], "english_learner": [0.1, 0.88, 0.02], "disability_idea": [0.13, 0.87],
    "section_504": [0.05, 0.95], "sex": [0.49, 0.5, 0.01], "homeless": [0.02, 0.98], "foster_care": [0.005, 0.995],
    "first_generation": [0.3, 0.6, 0.1], "underrepresented": [0.55, 0.42, 0.03], "english_learner_ever": [0.2, 0.78, 0.02],
}  # fmt: skip
MINIMUM, EVERYONE = 10, "all_students"


def dimensions() -> pd.DataFrame:
    names = [EVERYONE, *SHARES]
    return pd.DataFrame({"dimension": names, "partitioning": "yes", "crosses": None, "publish_level": "all"})


def counts(schools: int, metrics: int, seed: int = 1) -> pd.DataFrame:
    """One school year's counts of every group that has a student, district included."""
    random = np.random.default_rng(seed)
    size = random.integers(300, 1_600, schools)
    school = np.repeat(np.arange(schools), size)
    groups = {EVERYONE: np.zeros(len(school), int)}
    groups |= {d: random.choice(len(s), size=len(school), p=np.array(s) / sum(s)) for d, s in SHARES.items()}
    frames = []
    for metric, (members, success) in list(_metrics(random, len(school)).items())[:metrics]:
        for dimension, of in groups.items():
            for place in (school, np.full(len(school), -1)):
                counted = pd.DataFrame({"n": members, "successes": success}).groupby([place, of]).sum()
                frame = counted[counted["n"] > 0].reset_index(names=["p", "g"])
                frames.append(
                    frame[["n", "successes"]].assign(
                        school_year=2026,
                        metric_id=metric,
                        school_id=["_all" if p < 0 else f"{p:04d}" for p in frame["p"]],
                        dimension=dimension,
                        subgroup=["all" if dimension == EVERYONE else f"group_{g}" for g in frame["g"]],
                    )
                )
    return pd.concat(frames, ignore_index=True).sort_values(CELL, ignore_index=True)


def _metrics(random: np.random.Generator, students: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Metric → who is counted, and who of them succeeds; nested as the product's own metrics are."""

    def some(of: np.ndarray, share: float) -> np.ndarray:
        chosen: np.ndarray = of & (random.random(students) < share)
        return chosen

    everyone = np.ones(students, bool)
    advanced = some(everyone, 0.5)
    enrolled = some(advanced, 0.7)
    taken, graded, completed = some(enrolled, 0.8), some(enrolled, 0.95), some(enrolled, 0.9)
    passed, inside, outside = some(taken, 0.55), some(everyone, 0.06), some(everyone, 0.05)
    return {
        "ap_ib_enrollment": (everyone, enrolled),
        "exam_taken": (enrolled, taken),
        "exam_passed_of_takers": (taken, passed),
        "exam_passed_of_enrolled": (enrolled, passed),
        "course_grade_c_or_better": (graded, some(graded, 0.8)),
        "course_completed": (enrolled, completed),
        "ap_stem_enrollment": (everyone, some(enrolled, 0.6)),
        "advanced_enrollment": (everyone, advanced),
        "suspended_oss": (everyone, outside),
        "suspended_iss": (everyone, inside),
        "suspended_any": (everyone, outside | inside),
        "chronically_absent": (everyone, some(everyone, 0.2)),
    }


def closure(cells: pd.DataFrame) -> float:
    """Share of the cells of the first metric's students that closure publishes."""
    first = cells[cells["metric_id"] == "ap_ib_enrollment"]
    year = Year.of(first, dimensions(), MINIMUM)
    sums = [year.sums[[row]].indices.tolist() for row in np.flatnonzero(year.equal)]
    return 1 - _closure(year.values[year.names.index(("ap_ib_enrollment", "n"))], sums).mean()


def _closure(n: np.ndarray, sums: list[list[int]]) -> np.ndarray:
    hidden = n < MINIMUM
    while True:
        lonely = [s for s in sums if hidden[s].sum() == 1]
        if not lonely:
            return hidden
        for s in lonely:
            if hidden[s].sum() == 1:
                hidden[min((i for i in s if not hidden[i]), key=lambda i: n[i])] = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schools", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--metrics", type=int, default=12, choices=range(1, 13))
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    points = []
    for schools in asked.schools:
        cells = counts(schools, asked.metrics)
        began = time.process_time()
        proof = prove(cells, dimensions(), MINIMUM)
        seconds = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        points.append((len(cells), seconds))
        proven = ", ".join(
            f"{x} apart {number / proof.asked:.0%}" for x, number in sorted(proof.apart.items())
        )
        print(
            f"{schools} schools, {asked.metrics} metrics, {len(cells):,} cells, {proof.sums:,} sums: {seconds:.1f} CPU s, "
            f"{peak:.2f} GiB; {proof.asked:,} counts asked, two worlds {proven}; "
            f"published: {1 - proof.base['hidden'].mean():.0%}, by closure {closure(cells):.0%}",
            flush=True,
        )
    if asked.picture:
        asked.picture.write_text(picture(points), encoding="utf-8")


def picture(points: list[tuple[int, float]]) -> str:
    """CPU seconds against cells as an SVG."""
    right, top = max(x for x, _ in points), max(y for _, y in points)
    at = [(40 + 340 * x / right, 200 - 180 * y / top) for x, y in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/><text x="{x - 4:.1f}" y="{y - 6:.1f}" text-anchor="end">{cells:,} cells, {seconds:.1f} s</text>'
        for (x, y), (cells, seconds) in zip(at, points, strict=True)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 220" font-family="sans-serif" font-size="9">'
        '<path d="M40 10V200H390" fill="none" stroke="#888"/>'
        f'<polyline points="{line}" fill="none" stroke="#2b6cb0"/>{dots}</svg>\n'
    )


if __name__ == "__main__":
    main()
