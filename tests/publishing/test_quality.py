import pandas as pd

from equity_pipeline.publishing.site import shown_quality


def test_few_rows_about_students_are_not_counted_out_loud():
    counts = {"loaded": 6, "rejected": 1, "duplicates": 0}
    quality = pd.DataFrame(
        [
            {"school_year": 2026, "extract": "discipline", "rows_in": 7, **counts},
            {"school_year": 2026, "extract": "schools", "rows_in": 7, **counts},
            {
                "school_year": 2025,
                "extract": "students",
                "rows_in": 10,
                "loaded": 7,
                "rejected": 3,
                "duplicates": 0,
            },
            {
                "school_year": 0,
                "extract": "students",
                "rows_in": 0,
                "loaded": 0,
                "rejected": 0,
                "duplicates": 0,
            },
        ]
    )
    shown = shown_quality(quality, 10)
    assert shown["extract"].tolist() == ["discipline", "schools", "students"]
    assert shown.loc[0, ["rows_in", "loaded", "rejected", "duplicates"]].isna().all()
    assert shown["rejected"].tolist()[1:] == [1, 3]
