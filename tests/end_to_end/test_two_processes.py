"""Two people press the button at the same time."""

from equity_pipeline.stewardship.status import latest_release
from tests.end_to_end.conftest import mart
from tests.processes import start, succeed

PARTNERS = ("harborview_ps", "prairie_rose_sd")


def test_two_partners_from_two_processes_both_succeed(demo, undelivered):
    homes = [undelivered(partner_id) for partner_id in PARTNERS]
    home = homes[0]
    succeed([start(home, "run", "--partner", partner_id) for partner_id in PARTNERS])
    for partner_id in PARTNERS:
        assert latest_release(home, partner_id) == latest_release(demo.home, partner_id)
        assert mart(home, partner_id, "gap_metrics").equals(mart(demo.home, partner_id, "gap_metrics"))


def test_the_same_partner_from_two_processes_waits_and_succeeds(demo, undelivered):
    home = undelivered(PARTNERS[1])
    succeed([start(home, "run") for _ in range(2)])
    assert latest_release(home, PARTNERS[1]) == latest_release(demo.home, PARTNERS[1])
