"""The roll-up of the network says nothing but what the releases say: the audit passes it untouched and finds what is planted."""

from __future__ import annotations

import re
import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

from equity_pipeline.cli import main
from equity_pipeline.disclosure.audit import audit_network, made_from, said
from equity_pipeline.domain.errors import DisclosureError
from equity_pipeline.publishing import datafiles, network, words
from equity_pipeline.publishing.release import write_release
from equity_pipeline.storage.home import Home

from .conftest import holds
from .frames import context, frames, partner


@pytest.fixture
def roll_up(network_page, tmp_path):
    """A copy of the roll-up, and the folders of the releases that it was made of."""
    folder = shutil.copytree(network_page.parent, tmp_path / "roll_up")
    releases = network_page.parents[2]
    return folder, {one: releases / one / of for one, of in made_from(folder).items()}


def test_what_was_published_says_nothing_of_its_own(roll_up, network_page):
    folder, releases = roll_up
    assert len(releases) == 3
    assert audit_network(folder, releases).findings == ()
    told = CliRunner().invoke(main, ["audit", str(network_page.parent)])
    assert told.exit_code == 0 and "audit passed" in told.output


def test_clients_without_a_closed_gap_are_counted_alone(tmp_path):
    """The title says of how many clients no gap was closed."""
    home, who = Home(tmp_path), partner(goals=[])
    made = frames(who=who, size=300, years=[2025, 2026])
    made["tools_package"] = made["tools_package"].assign(prior_status="open")
    write_release(home, who, made, context(years=[2025, 2026]), holds)
    page = (network.publish(home, {who.partner_id: who}).path / "index.html").read_text()
    assert "No gap was closed last year across 1 client" in page


def test_the_page_and_its_audit_round_every_share_alike():
    """9 of 16 is 56.25 %: an audit that rounds to even would refuse a bar of 56.3 %."""
    shares = [closed / gaps for gaps in range(1, 200) for closed in range(gaps + 1)]
    for digits in (0, 1):
        assert [said.percent(s, digits) for s in shares] == [words.percent(s, digits) for s in shares]


def count(cell):
    """One more in the first cell of the kind."""
    return lambda page: re.sub(rf'({cell}"?>)(\d+)', lambda of: f"{of[1]}{int(of[2]) + 1}", page, count=1)


def swap(pattern, new):
    return lambda page: re.sub(pattern, new, page, count=1)


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(count('data-label="Closed last year'), id="a count of a client"),
        pytest.param(count('data-label="Open'), id="a count of one step"),
        pytest.param(count(r'<ul class="tally">\s*<li><b'), id="a tally of a client"),
        pytest.param(swap(r'style="flex:(\d+)"', r'style="flex:9\1"'), id="a part of a bar"),
        pytest.param(swap(r'style="width:(\d)', r'style="width:1\1'), id="a bar longer than its share"),
        pytest.param(swap(r'style="left:(\d)', r'style="left:1\1'), id="a mark beside the middle"),
        pytest.param(swap(r"(the middle of all partners, )(\d+)", r"\g<1>1\2"), id="another middle"),
        pytest.param(swap(r'(<b class="gap">[+−])(\d+)', r"\g<1>4\2"), id="a change of a gap"),
        pytest.param(
            lambda page: re.sub(
                r'(<tbody class="gt_table_body">\s*)(<tr>.*?</tr>)(\s*)(<tr>.*?</tr>)', r"\1\4\3\2", page, count=1, flags=re.DOTALL
            ),
            id="an order of its own",
        ),
        pytest.param(swap(r"(\d+ open)", r"1\1"), id="a tally of a partner"),
        pytest.param(swap(r"<h1([^>]*)>(\d)", r"<h1\1>1\2"), id="the title"),
        pytest.param(swap(r"</h1>", "</h1><p>7 students of Bayside</p>"), id="a sentence with a number"),
        pytest.param(swap(r"</h1>", "</h1><!-- Bayside -->"), id="a comment"),
        pytest.param(swap(r"<h1", '<h1 title="7"'), id="a text behind"),
        pytest.param(swap(r"<h1", '<h1 data-n="seven"'), id="an attribute that no rule knows"),
        pytest.param(swap(r'href="#c-\w+', 'href="#c-nobody'), id="a client that there is not"),
        pytest.param(lambda page: re.sub(r'href="\.\./\.\./\w+/latest/', 'href="../../nobody/latest/', page), id="releases that there are not"),
        pytest.param(swap(r"<h1", '<p style="width:7%"></p><h1'), id="a bar of its own"),
        pytest.param(swap(r"<h1", '<svg viewBox="0 0 7 7"></svg><h1'), id="a picture of its own"),
    ],
)  # fmt: skip
def test_what_is_planted_on_the_page_is_found(roll_up, plant):
    folder, releases = roll_up
    page = folder / "index.html"
    before = page.read_text()
    page.write_text(plant(before))
    assert page.read_text() != before
    assert audit_network(folder, releases).findings


def double(table):
    return pd.concat([table, table.tail(1)], ignore_index=True)


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("tools_package", lambda t: t.assign(gap=t["gap"] + 0.001)),
        ("tools_package", lambda t: t.assign(n=7)),
        ("tools_package", double),
        ("portfolio", lambda t: t.assign(open=t["open"] + 1)),
        ("portfolio", lambda t: t.assign(closed_share=0.5)),
        ("portfolio", lambda t: t.assign(students=7)),
        ("portfolio", double),
    ],
)
def test_what_is_planted_in_the_data_files_is_found(roll_up, name, plant):
    folder, releases = roll_up
    for path, content in datafiles.both(
        f"data/{name}", plant(pd.read_parquet(folder / "data" / f"{name}.parquet"))
    ).items():
        (folder / path).write_bytes(content)
    assert audit_network(folder, releases).findings


def test_formats_that_disagree_are_found(roll_up):
    folder, releases = roll_up
    table = folder / "data/portfolio.csv"
    table.write_text(table.read_text().replace(",0,", ",1,", 1))
    assert audit_network(folder, releases).findings


def test_a_roll_up_without_data_or_origin_is_not_safe(roll_up):
    folder, releases = roll_up
    (folder / "manifest.json").write_text("{")
    assert made_from(folder) == {}
    for table in ("tools_package", "portfolio"):
        for file in folder.glob(f"data/{table}.*"):
            file.unlink()
    with pytest.raises(DisclosureError, match="no data to attack"):
        audit_network(folder, releases)


def test_without_the_releases_nothing_is_safe(roll_up, tmp_path):
    folder, _ = roll_up
    with pytest.raises(DisclosureError, match="which is not at"):
        audit_network(folder, {"bayside": tmp_path / "gone"})
