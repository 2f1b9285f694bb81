"""How far the items of a scale agree with each other.

Alpha: Cronbach (1951), k / (k - 1) (1 - sum of item variances / variance of the sum). Omega: McDonald (1999), from the
loadings of one factor, fitted by statsmodels. Both of complete answers.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

SCALE = ["school_year", "survey_id", "respondent_type", "construct"]
FEWEST = 30  # people: with fewer a correlation of two items is mostly chance


def reliability(scale: pd.DataFrame) -> pd.DataFrame:
    """One row per `SCALE` with `respondents`, `alpha` and `omega`; null where too few answered everything, or nothing varies.

    Args:
        scale: one row per respondent × scale with `items`, `answers` and `points`, `;`-separated in the order of the items.
    """
    rows = []
    complete = scale[(scale["answers"] == scale["items"]) & (scale["items"] > 1) & scale["points"].notna()]
    for key, of in complete.groupby(SCALE, sort=True):
        # Sums of floats depend on their order, and people have none but that of their answers.
        points = np.array([[float(p) for p in text.split(";")] for text in sorted(of["points"])])
        enough = len(points) >= FEWEST and (points.std(axis=0) > 0).all()
        rows.append((*key, len(points), alpha(points) if enough else None, omega(points) if enough else None))
    types = {"school_year": "int32", "respondents": "int64", "alpha": "float64", "omega": "float64"}
    return pd.DataFrame(rows, columns=[*SCALE, "respondents", "alpha", "omega"]).astype(
        types | dict.fromkeys(SCALE[1:], "string")
    )


def alpha(points: np.ndarray) -> float:
    """Cronbach's alpha of people × items."""
    k = points.shape[1]
    total = points.sum(axis=1).var(ddof=1)
    return float(k / (k - 1) * (1 - points.var(axis=0, ddof=1).sum() / total))


def omega(points: np.ndarray) -> float | None:
    """McDonald's omega of people × items; of two items one factor is not determined, and there is none."""
    if points.shape[1] < 3:
        return None
    from statsmodels.multivariate.factor import Factor  # takes a second, and only surveys need it

    fitted = Factor(points, n_factor=1, method="pa").fit(maxiter=500)  # of the correlations
    loadings = fitted.loadings[:, 0]
    common = loadings.sum() ** 2
    value = common / (common + fitted.uniqueness.sum())
    return value if math.isfinite(value) else None
