import datetime as dt

import pytest

from equity_pipeline.defs.partitions import (
    found_by,
    partitions,
    partner_of,
    partner_year_key,
    range_tags,
    split_partner_year,
    year_ranges,
)
from equity_pipeline.partners import registry


def test_years_run_from_the_earliest_partner_to_the_year_after_this_one(home, add_partner):
    add_partner("north", "2021-22")
    add_partner("south", "2023-24")
    keys = partitions(registry.load_all(home), [], dt.date(2024, 6, 30))
    assert keys.partner.get_partition_keys() == ["north", "south"]
    assert keys.school_year.get_partition_keys() == ["2021-22", "2022-23", "2023-24", "2024-25"]


def test_july_1_adds_a_year(home, add_partner):
    add_partner("north", "2023-24")
    keys = partitions(registry.load_all(home), [], dt.date(2024, 7, 1))
    assert keys.school_year.get_partition_keys()[-1] == "2025-26"


def test_a_year_that_a_file_holds_gets_its_partition_however_old(home, add_partner):
    add_partner("north", "2023-24")
    keys = partitions(registry.load_all(home), [2019, 2024], dt.date(2024, 1, 1))
    assert keys.school_year.get_partition_keys() == ["2018-19", "2023-24", "2024-25"]


def test_a_home_without_partners_has_partitions_too():
    assert partitions({}, [], dt.date(2025, 1, 1)).partner.get_partition_keys() == []


def test_a_key_is_read_back_as_it_was_written(home, add_partner):
    add_partner("north")
    key = partner_year_key("north", 2026)
    assert split_partner_year(key) == ("north", 2026)
    keys = partitions(registry.load_all(home), [], dt.date(2026, 1, 1))
    assert keys.partner_year.has_partition_key(key)


def test_years_are_cut_into_unbroken_stretches():
    assert year_ranges([2026, 2022, 2024, 2023]) == [(2022, 2024), (2026, 2026)]
    assert year_ranges([]) == []


def test_range_tags_name_both_ends_and_the_partner():
    assert range_tags("north", 2022, 2024) == {
        "dagster/asset_partition_range_start": "north|2021-22",
        "dagster/asset_partition_range_end": "north|2023-24",
        "partner": "north",
        "school_year": "2021-22 to 2023-24",
    }
    assert range_tags("north", 2024, 2024)["school_year"] == "2023-24"


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({}, {}),
        ({"dagster/partition": "north"}, {"partner": "north"}),
        ({"dagster/partition": "north|2021-22"}, {"partner": "north", "school_year": "2021-22"}),
        (range_tags("north", 2022, 2024), {"partner": "north", "school_year": "2021-22 to 2023-24"}),
        ({"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}, {}),
    ],
)
def test_a_run_is_found_by_its_partner_and_school_years(tags, found):
    assert found_by(tags) == found


def test_a_run_says_whom_it_works_for_however_it_was_started():
    assert partner_of({"partner": "north"}) == "north"
    assert partner_of({"dagster/partition": "north|2021-22"}) == "north"
    assert partner_of({"dagster/asset_partition_range_start": "east|2021-22"}) == "east"
    assert partner_of({}) is None
