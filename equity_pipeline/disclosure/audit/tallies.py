"""How many gaps of a place stand where, by what the data files say of them: the whole numbers that a page may count."""

from __future__ import annotations

from collections import Counter, defaultdict

from equity_pipeline.disclosure.audit.said import DISTRICT, Row, Said

# Dimensions that repeat or contain another one are not counted.
REPEATED = (
    "all_students",
    "race_alone_or_in_combination",
    "student_of_color",
    "english_learner_ever",
    "underrepresented",
)
# Of gaps that are looked at twice a page names so many, and says how many more there are.
_NAMED = 6


class Tallies:
    """Of the newest year, by place and metric (None: of all metrics). `steps`: status → gaps; `kinds`: why a gap can be told
    or can't → gaps."""

    def __init__(self, said: Said) -> None:
        self.metrics = sorted({key[0] for key in said.rows})
        self.steps: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
        self.kinds: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
        self.leveled: Counter[tuple[str, str | None]] = Counter()
        for (metric, school, dimension, subgroup), by_year in said.rows.items():
            row = by_year.get(said.years[-1])
            if row is None or "*" in dimension or dimension in REPEATED or subgroup == "unknown":
                continue
            kind = _kind(row, said.rules.designated.get(dimension))
            for key in ((school, metric), (school, None)):
                self.kinds[key][kind] += 1
                self.leveled[key] += (
                    bool(row["leveled_down"]) and row["gap"] is not None and bool(row["reliable"])
                )
                if kind == "told":
                    self.steps[key][row["status"]] += 1
        self.schools = len({place for place, _ in self.kinds} - {DISTRICT})

    def groups(self, key: tuple[str, str | None]) -> Counter[str]:
        """What the table of unknown gaps counts: `groups`, `told`, `privacy`, `few` and `lacking`."""
        of = self.kinds[key].copy()
        of.pop("none", None)
        return of + Counter(groups=of.total())

    def told_of(self, school: str, metric: str | None = None) -> frozenset[str]:
        """Every number that a sentence about a place may count."""
        steps, kinds = self.steps[school, metric], self.groups((school, metric))
        unknown = kinds["privacy"] + kinds["few"] + kinds["lacking"]
        closed = steps["closed"] + steps["maintained_closed"]
        told = [
            *steps.values(),
            steps.total(),
            closed,
            *kinds.values(),
            unknown,
            self.schools,
            self.leveled[school, metric],
            max(0, self.leveled[school, metric] - _NAMED),
            0,
        ]
        return frozenset(str(number) for number in told)


def _kind(row: Row, reference: str | None) -> str:
    """`told`, or why no gap is; `none` where there is none to tell."""
    reason = row["reason"] or ""
    if row["suppression_reason"] == "privacy" and row["rate"] is None:
        return "privacy"
    if row["suppression_reason"] == "not_measured" or reason.startswith("not_measured"):
        return "lacking"
    if row["rate"] is None or reference == row["subgroup"]:
        return "none"
    if row["gap"] is None:
        return "few" if reason else "privacy"
    if not row["reliable"] or row["status"] == "not_measurable" or row["reference_rate"] is None:
        return "few"
    return "privacy" if row["status"] is None else "told"
