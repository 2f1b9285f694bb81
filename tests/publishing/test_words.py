import pytest

from equity_pipeline.publishing import words


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (-0.095, "−9.5"),
        (0.058, "+5.8"),
        (0.0, "0.0"),
        (-0.0004, "0.0"),
        (0.285, "+28.5"),
        (-0.00051, "−0.1"),
        (0.1235, "+12.4"),
    ],
)
def test_points(difference, said):
    assert words.points(difference) == said


@pytest.mark.parametrize(
    ("rate", "said"), [(0.381, "38.1%"), (0.2885, "28.9%"), (1.0, "100.0%"), (0.0, "0.0%")]
)
def test_percent(rate, said):
    assert words.percent(rate) == said


def test_missing_sources_in_words():
    assert words.not_measured("not_measured: exam_results") == "no exam results on file"
    assert words.not_measured("not_measured: ap_ib_courses;final_grades") == (
        "no course on file is classified as AP or IB; no final grades on file"
    )
    assert words.not_measured("not_measured: climate_survey") == "no climate survey on file"


def test_every_status_has_its_own_symbol_and_word():
    assert (
        len({s.symbol for s in words.STATUSES.values()})
        == len({s.words for s in words.STATUSES.values()})
        == 8
    )
