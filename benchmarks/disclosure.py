"""Protecting and proving one school year: wall and CPU seconds and memory against cells, and the share that stays published.

    python benchmarks/disclosure.py [--schools 5 10 20 40] [--metrics 12] [--picture FILE.svg]
    python benchmarks/disclosure.py --home HOME [--public race_ethnicity sex]

Students are drawn at random and counted by every one-way dimension; twelve metrics are nested as those of the product are: takers
among the enrolled, passers among takers. With a home: the newest school year of every partner that has a warehouse there, beside
numbers of students that are public where dimensions are named.

Beside the rule stand two that publish exact numbers, students, successes and others, and hide those below the minimum: closure
hides more until every sum has none or two hidden parts; Gaussian elimination (after Langsrud, "Secondary cell suppression by
Gaussian elimination", Privacy in Statistical Databases 2024) goes from the largest number to the smallest and publishes each
unless a small one would then be a combination of published ones. Both protect from exact recomputation alone: neither keeps two
numbers apart, and neither holds the metrics together.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from equity_pipeline.disclosure.marts import published_counts
from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.proof import prove
from equity_pipeline.disclosure.worlds import Year
from equity_pipeline.partners import registry
from equity_pipeline.publishing import source
from equity_pipeline.storage.home import Home

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


# Numbers are exact in a prime field; a product of two fits 64 bits.
_PRIME = 2**31 - 1
# Eliminating more numbers than this takes minutes.
_LARGEST = 1_500


@dataclass(frozen=True)
class Table:
    """One metric's numbers: students, successes and others of every group, one below the other; `sums` of them are nothing."""

    cells: pd.DataFrame
    numbers: np.ndarray
    sums: list[tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, cells: pd.DataFrame, dimensions: pd.DataFrame) -> Table:
        """`cells` of one metric and school year."""
        year = Year.of(cells, dimensions, MINIMUM)
        n, s = (year.values[q, year.group] for q in (year.n, year.s))
        size, at = len(n), np.argsort(year.group)
        sums = [
            (at[row.indices] + size * count, row.data)
            for count in range(3)
            for row in (year.sums[[number]] for number in np.flatnonzero(year.equal))
        ]
        sums += [
            (np.array([cell, cell + size, cell + 2 * size]), np.array([-1, 1, 1])) for cell in range(size)
        ]
        return cls(year.cells, np.concatenate([n, s, n - s]), sums)

    def shown(self, hidden: np.ndarray) -> np.ndarray:
        """Of which cells all three numbers are published."""
        return ~hidden.reshape(3, -1).any(axis=0)

    def closure(self) -> np.ndarray:
        """What closure hides."""
        hidden = self.numbers < MINIMUM
        while True:
            lonely = [parts for parts, _ in self.sums if hidden[parts].sum() == 1]
            if not lonely:
                return hidden
            for parts in lonely:
                if hidden[parts].sum() == 1:
                    hidden[min((i for i in parts if not hidden[i]), key=lambda i: self.numbers[i])] = True

    def eliminated(self) -> np.ndarray:
        """What Gaussian elimination hides."""
        left = np.eye(len(self.numbers), dtype=np.int64)
        small = self.numbers < MINIMUM
        for parts, signs in self.sums:
            self._know(left, (signs[:, None] * left[parts]).sum(axis=0) % _PRIME)
        hidden = small.copy()
        for cell in np.lexsort((np.arange(len(small)), -self.numbers)):
            said = left[cell]
            if small[cell] or not said.any():
                continue
            at, primary = int(np.flatnonzero(said)[0]), left[small & left.any(axis=1)]
            parallel = ((primary * said[at] - primary[:, [at]] * said) % _PRIME == 0).all(axis=1)
            hidden[cell] = parallel.any()
            if not hidden[cell]:
                self._know(left, said.copy())
        return hidden

    @staticmethod
    def _know(left: np.ndarray, said: np.ndarray) -> None:
        """Take from all that is left what follows from this."""
        if said.any():
            at = int(np.flatnonzero(said)[0])
            rows = np.flatnonzero(left[:, at])
            factor = left[rows, at] * pow(int(said[at]), -1, _PRIME) % _PRIME
            columns = np.flatnonzero(said)
            block = np.ix_(rows, columns)
            left[block] = (left[block] - factor[:, None] * said[columns]) % _PRIME


def kept(cells: pd.DataFrame, shown: np.ndarray) -> dict[str, tuple[int, int]]:
    """Of the gaps of two groups of one whole dimension with 30 students or more each, how many are told, and how many there are:
    in the district and in schools."""
    large = cells.assign(shown=shown)[
        (cells["n"] >= 30)
        & ~cells["dimension"].str.contains("*", regex=False)
        & (cells["subgroup"] != "unknown")
    ]
    places = large.groupby(["metric_id", "school_id", "dimension"])["shown"].agg(["sum", "size"])
    pairs = places * (places - 1) // 2
    district = pairs.index.get_level_values("school_id") == "_all"
    return {
        name: (int(of["sum"].sum()), int(of["size"].sum()))
        for name, of in (("district", pairs[district]), ("schools", pairs[~district]))
    }


# Of these gaps so much is to be told, or the rule costs too much.
LEAST = {"district": 0.97, "schools": 0.85}


def lacking(gaps: dict[str, tuple[int, int]]) -> list[str]:
    """What is told of less than `LEAST` asks for."""
    return [
        f"{place} gaps: {told:,} of {all_:,} told, at least {LEAST[place]:.0%} are to be"
        for place, (told, all_) in gaps.items()
        if told < LEAST[place] * all_
    ]


def beside(cells: pd.DataFrame, dimensions: pd.DataFrame, ours: np.ndarray) -> Iterator[str]:
    """What the rule and both others keep."""
    tables = [Table.of(of, dimensions) for _, of in cells.groupby("metric_id")]
    rules = {"ours": ours, "closure": np.concatenate([table.shown(table.closure()) for table in tables])}
    if max(len(table.numbers) for table in tables) <= _LARGEST:
        rules["elimination"] = np.concatenate([table.shown(table.eliminated()) for table in tables])
    by_metric = pd.concat([table.cells for table in tables], ignore_index=True)
    order = pd.MultiIndex.from_frame(cells[CELL]).get_indexer(pd.MultiIndex.from_frame(by_metric[CELL]))
    rules["ours"] = ours[order]
    for rule, shown in rules.items():
        gaps = "; ".join(
            f"{place} gaps {told:,} of {all_:,}" + (f" ({told / all_:.1%})" if all_ else "")
            for place, (told, all_) in kept(by_metric, shown).items()
        )
        yield f"  {rule}: rates told of {shown.mean():.1%} of the cells; {gaps}"


def of_home(root: Path, public: list[str]) -> list[str]:
    """Print what is kept of each partner of a home; of which less is kept than there should be. `public`: dimensions whose numbers
    of students anyone knows."""
    home, short = Home(root), []
    for partner_id, partner in registry.load_all(home).items():
        if not home.warehouse(partner_id).exists():
            continue
        marts, context = source.read(home, partner)
        counts = published_counts(marts["gap_metrics"], context.labels.dimensions).dropna(subset=["n"])
        counts = counts[counts["school_year"] == counts["school_year"].max()].astype(
            {"n": "int64", "successes": "int64"}
        )
        counts = counts.sort_values(CELL, ignore_index=True)
        print(f"{partner_id}: {len(counts):,} cells measured", flush=True)
        if len(counts):
            known = context.labels.dimensions["dimension"].isin(public)
            proof = prove(
                counts, context.labels.dimensions.assign(public=known), partner.privacy.minimum_cell
            )
            shown = ~proof.base["hidden"].to_numpy(bool)
            print(*beside(counts, context.labels.dimensions, shown), sep="\n", flush=True)
            short += [f"{partner_id}: {line}" for line in lacking(kept(counts, shown))]
    return short


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schools", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--metrics", type=int, default=12, choices=range(1, 13))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--public", nargs="*", default=[])
    asked = parser.parse_args()
    if asked.home:
        if short := of_home(asked.home, asked.public):
            sys.exit("\n".join(["too little is told:", *short]))
        return
    points = []
    for schools in asked.schools:
        cells = counts(schools, asked.metrics)
        began, before = time.perf_counter(), _processor_seconds()
        proof = prove(cells, dimensions(), MINIMUM)
        wall, seconds = time.perf_counter() - began, _processor_seconds() - before
        peaks = [
            resource.getrusage(of).ru_maxrss / 2**20
            for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        points.append((len(cells), wall))
        proven = ", ".join(
            f"{x} apart {number / proof.asked:.0%}" for x, number in sorted(proof.apart.items())
        )
        print(
            f"{schools} schools, {asked.metrics} metrics, {len(cells):,} cells, {proof.sums:,} sums: {wall:.1f} s, {seconds:.1f} CPU s "
            f"on up to {len(os.sched_getaffinity(0))} processes of {peaks[0]:.2f} and {peaks[1]:.2f} GiB; {proof.asked:,} counts asked, "
            f"two worlds {proven}",
            *beside(cells, dimensions(), ~proof.base["hidden"].to_numpy(bool)),
            sep="\n",
            flush=True,
        )
    if asked.picture:
        asked.picture.write_text(picture(points), encoding="utf-8")


def _processor_seconds() -> float:
    """Of this process and those that it started."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def picture(points: list[tuple[int, float]]) -> str:
    """Seconds against cells as an SVG."""
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
