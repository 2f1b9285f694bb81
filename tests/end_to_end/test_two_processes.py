"""Two people press the button at the same time."""

from equity_pipeline.stewardship.status import latest_release
from tests.end_to_end.conftest import mart
from tests.processes import start, succeed

PARTNERS = ("harborview_ps", "prairie_rose_sd")


def test_two_partners_and_one_of_them_twice_from_three_processes_all_succeed(demo, undelivered):
    [home] = {undelivered(partner_id) for partner_id in PARTNERS}
    succeed([start(home, "run", "--partner", partner_id) for partner_id in (*PARTNERS, PARTNERS[1])])
    for partner_id in PARTNERS:
        assert latest_release(home, partner_id) == latest_release(demo.home, partner_id)
        assert mart(home, partner_id, "gap_metrics").equals(mart(demo.home, partner_id, "gap_metrics"))
