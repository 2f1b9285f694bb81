import dataclasses
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from equity_pipeline.domain.errors import DisclosureError
from equity_pipeline.publishing import changes, network, programmes
from equity_pipeline.publishing.release import write_release
from equity_pipeline.storage.home import Home

from .conftest import holds
from .frames import context, frames, partner

SMALL = {"years": [2025, 2026], "schools": {"1": "One High School", "2": "Two High School"}, "size": 300,
         "metrics": ["ap_ib_enrollment", "exam_taken"]}  # fmt: skip


def small(who=None, **changes):
    asked = SMALL | changes
    return frames(who=who, **asked), context(schools=asked["schools"], years=asked["years"])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def publish(home, made=None, attack=holds, who=None):
    marts, said = made or small()
    return write_release(home, who or partner(), marts, said, attack)


def test_same_inputs_same_bytes_in_any_row_order(tmp_path):
    marts, said = small()
    shuffled = {m: f.sample(frac=1, random_state=3) for m, f in marts.items()}
    one, two = publish(Home(tmp_path / "a")), publish(Home(tmp_path / "b"), (shuffled, said))
    assert one.release_id == two.release_id
    assert contents(one.path) == contents(two.path)


def test_the_manifest_names_every_file_with_its_hash(tmp_path):
    release = publish(Home(tmp_path))
    files = contents(release.path)
    manifest = json.loads(files.pop("manifest.json"))
    assert {p: hashlib.sha256(c).hexdigest() for p, c in files.items()} == {
        p: f["sha256"] for p, f in manifest["files"].items()
    }
    assert manifest["release_id"] == release.release_id == release.path.name and len(release.release_id) == 16
    assert manifest["row_counts"]["gap_metrics"] == len(
        pd.read_parquet(release.path / "data/gap_metrics.parquet")
    )
    assert {d["delivery_id"] for d in manifest["made_from"]} == {
        d["delivery_id"] for d in small()[1].deliveries
    }
    assert str(tmp_path) not in json.dumps(manifest)
    assert {
        "index.html",
        "certificate.json",
        "data/gap_tracker.xlsx",
        "tables/ap_ib_enrollment.html",
        "schools/1.html",
    } <= set(files)


def test_nothing_new_writes_nothing(tmp_path):
    home = Home(tmp_path)
    first = publish(home)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    again = publish(home)
    assert (first.changed, again.changed, again.release_id, again.restated) == (
        True,
        False,
        first.release_id,
        0,
    )
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_latest_is_a_relative_link_and_old_releases_stay(tmp_path):
    home = Home(tmp_path)
    first = publish(home)
    second = publish(home, small(seed=8))
    latest = home.releases("riverside_usd") / "latest"
    assert os.readlink(latest) == second.release_id != first.release_id
    assert first.path.is_dir()
    assert json.loads((second.path / "manifest.json").read_text())["previous_release"] == first.release_id
    back = publish(home)
    assert (back.release_id, back.changed, os.readlink(latest)) == (first.release_id, True, first.release_id)
    assert sorted(p.name for p in latest.parent.iterdir()) == sorted(
        [first.release_id, second.release_id, "latest"]
    )


def test_a_correction_is_counted_and_told_row_by_row(tmp_path):
    home = Home(tmp_path)
    publish(home)
    marts, said = small()
    gaps = marts["gap_metrics"] = marts["gap_metrics"].copy()
    black = (
        (gaps["school_year"] == 2025)
        & (gaps["school_id"] == "_all")
        & (gaps["metric_id"] == "ap_ib_enrollment")
    )
    black &= (gaps["subgroup"] == "black") & (gaps["dimension"] == "race_ethnicity")
    assert black.sum() == 3 and gaps.loc[black, "rate"].notna().all()
    gaps.loc[black, "n"] += 1
    gaps.loc[black, ["rate", "rate_band"]] = [0.15, "10% to 20%"]
    said.deliveries.append(
        {"delivery_id": "f" * 16, "file": "corrected<2025>.csv", "extract": "students", "school_year": 2025}
    )
    release = publish(home, (marts, said))
    assert release.restated == 3
    assert json.loads((release.path / "manifest.json").read_text())["changes"]["restated_by_school_year"] == {
        "2025": 3
    }
    page = (release.path / "changes.html").read_text()
    assert (
        "10 to 20% of" in page and "corrected&lt;2025&gt;.csv" in page and page.count("<td>2024-25</td>") == 1
    )


def test_a_number_restated_by_another_rule_names_the_rule(tmp_path):
    home, (marts, said) = Home(tmp_path), small()
    publish(home, (marts, said))
    gaps = marts["gap_metrics"] = marts["gap_metrics"].copy()
    gaps.loc[gaps["metric_id"] == "exam_taken", "metric_version"] = "2"
    gaps.loc[(gaps["metric_id"] == "exam_taken") & gaps["rate"].notna(), "n"] += 10
    release = publish(home, (marts, said))
    assert "Rules that changed since then: Exam taken." in (release.path / "changes.html").read_text()


def test_a_year_whose_corrections_are_held_back_names_the_release_it_repeats(tmp_path):
    home, (marts, said) = Home(tmp_path), small()
    first = publish(home, (marts, said))
    before = json.loads((first.path / "manifest.json").read_text())
    said = dataclasses.replace(said, held_back=changes.held_back([2025], before))
    second = publish(home, (marts, said))
    assert (second.changed, second.restated) == (True, 0)
    made = json.loads((second.path / "manifest.json").read_text())
    assert made["held_back"] == {"2025": first.release_id}
    for page in ("changes.html", "index.html", "quality.html"):
        text = (second.path / page).read_text()
        assert "Corrections of 2024-25 are held back" in text and f"<code>{first.release_id}</code>" in text
    # Held back again it is the same numbers still, and another year joins it.
    assert changes.held_back([2025, 2026], made) == {"2025": first.release_id, "2026": second.release_id}
    assert not publish(home, (marts, said)).changed


def test_a_programme_repeats_what_it_said_of_a_year_that_is_held_back(tmp_path):
    """What it had not told of yet is told of; of other years it says what is new."""
    about = {"partner_id": "p", "school_id": "_all", "action": "referred", "dimension": "sex"}
    before = pd.DataFrame(
        {
            **about,
            "school_year": [2025, 2025, 2026],
            "subgroup": ["female", "male", "male"],
            "incidents": [10, 20, 30],
        }
    )
    before.to_parquet(tmp_path / "discipline_incidents.parquet", index=False)
    now = pd.DataFrame(
        {**about, "school_year": [2024, 2025, 2026], "subgroup": "male", "incidents": [40, 50, 60]}
    )
    tables = {"discipline_incidents": now, "climate": now}
    held = programmes.held_back(tables, tmp_path, (2024, 2025))
    said = held["discipline_incidents"].set_index(["school_year", "subgroup"])["incidents"]
    assert said.to_dict() == {
        (2024, "male"): 40,
        (2025, "female"): 10,
        (2025, "male"): 20,
        (2026, "male"): 60,
    }
    assert held["climate"] is now and programmes.held_back(tables, tmp_path, ()) is tables


def test_a_new_year_restates_nothing(tmp_path):
    home = Home(tmp_path)
    marts, said = small(years=[2024, 2025])
    publish(home, (marts, said))
    grown = {
        m: pd.concat([f, f[f["school_year"] == 2025].assign(school_year=2026)]) for m, f in marts.items()
    }
    release = publish(home, (grown, said))
    assert (release.changed, release.restated) == (True, 0)
    assert "New: 2025-26" in (release.path / "index.html").read_text()


@pytest.mark.parametrize(
    "certificate", [{"pass": False, "findings": [{"kind": "known count"}]}, {}, {"pass": "yes"}]
)
def test_an_attack_that_succeeds_leaves_the_last_release(tmp_path, certificate):
    home = Home(tmp_path)
    first = publish(home)
    before = contents(home.releases("riverside_usd"))
    with pytest.raises(DisclosureError, match="last release stays"):
        publish(home, small(seed=9), attack=lambda folder: certificate)
    assert contents(home.releases("riverside_usd")) == before
    assert os.readlink(home.releases("riverside_usd") / "latest") == first.release_id


def test_the_attack_sees_the_files_that_would_leave(tmp_path):
    seen = {}
    release = publish(Home(tmp_path), attack=lambda folder: seen.update(contents(folder)) or {"pass": True})
    assert {p: c for p, c in contents(release.path).items() if p.startswith("data/")} == {
        p: c for p, c in seen.items() if p.startswith("data/")
    }
    assert "index.html" in seen


def test_a_mart_that_breaks_its_contract_is_not_published(tmp_path):
    home = Home(tmp_path)
    marts, said = small()
    leaky = marts["gap_metrics"].copy()
    leaky.loc[leaky["suppressed"], "n"] = 3
    with pytest.raises(DisclosureError, match="a suppressed row has no value"):
        publish(home, (marts | {"gap_metrics": leaky}, said))
    assert not home.releases("riverside_usd").exists()


def test_where_everything_is_hidden_no_page_or_file_has_a_figure(tmp_path):
    who = partner(goals=[])
    release = publish(Home(tmp_path), small(who=who, hide_all=True), who=who)
    for page in release.path.rglob("*.html"):
        assert not re.search(r'class="(?:gap|rate|pp|interval)"|<svg', page.read_text()), page.name
    assert "Nothing can be shown here" in (release.path / "index.html").read_text()
    gaps = pd.read_parquet(release.path / "data/gap_metrics.parquet")
    assert gaps["suppressed"].all() and gaps[["n", "rate", "gap", "students_needed"]].isna().all().all()


def test_the_network_is_made_from_releases_alone(tmp_path):
    home = Home(tmp_path)
    other = partner(partner_id="lakeview_sd", name="Lakeview School District", programs=[], goals=[])
    absent = partner(partner_id="new_sd", name="Newcomer District")
    publish(home)
    marts, said = small(who=other, seed=11)
    marts |= {"tools_package": marts["tools_package"].iloc[:0]}
    write_release(home, other, marts, said, lambda folder: holds(folder) | {"proof": {}})
    partners = {p.partner_id: p for p in (partner(), other, absent)}
    first = network.publish(home, partners)
    page = (first.path / "index.html").read_text()
    assert "Newcomer District" in page and "Riverside Unified" in page and "1 client" in page
    assert "(X = " not in page, "one of the releases proves nothing"
    assert network.publish(home, partners).changed is False
    released = pd.read_parquet(home.releases("riverside_usd") / "latest/data/tools_package.parquet")
    together = pd.read_parquet(first.path / "data/tools_package.parquet")
    assert len(together) == len(released) and set(together["partner_id"]) == {"riverside_usd"}
    shutil.rmtree(home.releases("lakeview_sd"))
    again = network.publish(home, partners)
    assert again.changed and os.readlink(home.network_releases / "latest") == again.release_id
    assert "at least 3 students apart (X = 3)" in (again.path / "index.html").read_text()


@pytest.mark.parametrize(
    ("prior", "status", "newly"),
    [
        ("not_measurable", "closed", 0),
        ("open", "closed", 1),
        ("open", "narrowing", 0),
        ("closed", "not_measurable", 0),
    ],
)
def test_closed_last_year_and_newly_closed_count_only_what_both_years_tell(tmp_path, prior, status, newly):
    home, (marts, said) = Home(tmp_path), small()
    tools = marts["tools_package"]
    one = (tools["school_id"] == "_all") & tools["gap"].notna() & (tools["dimension"] == "sex")
    one &= tools["school_year"] == tools["school_year"].max()
    keys = ["school_year", "school_id", "metric_id", "dimension", "subgroup"]
    tools = tools[one].head(1).assign(prior_status=prior, status=status)
    closure = marts["gap_closure"].merge(tools[[*keys]].assign(changed=True), on=keys, how="left")
    closure.loc[closure["changed"].notna() & (closure["reference"] == "designated"), "status"] = status
    changed = marts | {"tools_package": tools, "gap_closure": closure.drop(columns="changed")}
    release = write_release(home, partner(), changed, said, holds)
    page = (network.publish(home, {"riverside_usd": partner()}).path / "index.html").read_text()
    told = dict(re.findall(r'data-label="(Closed last year|Newly closed)">(\d+)', page))
    assert told == {"Closed last year": "0", "Newly closed": str(newly)}
    tools_page = (release.path / "tables/tools_package.html").read_text()
    assert "gaps closed in 2024-25" not in tools_page


def test_a_network_without_any_release_says_so(tmp_path):
    release = network.publish(
        Home(tmp_path), {"new_sd": partner(partner_id="new_sd", name="Newcomer District")}
    )
    assert "No Tools Package client has a release yet" in (release.path / "index.html").read_text()


def test_partners_are_compared_only_in_a_portfolio_that_policy_calls_large_enough(tmp_path):
    """The tests' policy asks for three."""
    home, partners = Home(tmp_path), {}
    for position, name in enumerate(("a1", "b2", "c3")):
        who = partner(partner_id=name, name=name, goals=[])
        publish(home, small(who=who, seed=position, size=900), who=who)
        partners[name] = who
        page = (network.publish(home, partners).path / "index.html").read_text()
        assert ("the middle of all partners" in page) == (position == 2)
        assert ("the portfolio is too small" in page) == (position < 2)


def test_the_network_says_what_is_overdue_and_how_its_labs_stand(tmp_path):
    home, who = Home(tmp_path), partner(expected={"students": "10-15", "discipline": "10-20"})
    release = publish(home, who=who)
    manifest = json.loads((release.path / "manifest.json").read_text())
    assert {(m["extract"], m["school_year"]) for m in manifest["missing"] if m["overdue"]} == {
        ("discipline", year) for year in range(2022, 2027)
    } | {("students", year) for year in range(2022, 2025)}
    page = (network.publish(home, {who.partner_id: who}).path / "index.html").read_text()
    assert page.count("2025-10-20") == 1 and "2023-10-20" not in page, (
        "two years back is for the partner's own page"
    )
    assert "Equity Leader Labs" in page and "latest/index.html" in page


def test_a_partner_of_400_schools_is_published_with_light_pages(tmp_path):
    schools = {f"{number:04d}": f"School {number}" for number in range(400)}
    made = frames(years=[2025, 2026], schools=schools, size=60, metrics=["ap_ib_enrollment"])
    release = publish(Home(tmp_path), (made, context(schools=schools, years=[2025, 2026])))
    sizes = {p.relative_to(release.path).as_posix(): p.stat().st_size for p in release.path.rglob("*.html")}
    assert len([path for path in sizes if path.startswith("schools/")]) == 401
    assert sizes["schools/index.html"] < 400_000 and sizes["index.html"] < 100_000
    assert max(size for path, size in sizes.items() if re.match(r"schools/\d", path)) < 60_000


def test_the_definition_of_its_numbers_is_one_click_from_each_page(release):
    methods = (release.path / "methods.html").read_text()
    pages = {p.relative_to(release.path).as_posix(): p.read_text() for p in release.path.rglob("*.html")}
    assert len(pages) > 12
    for path, page in pages.items():
        anchors = set(re.findall(r'href="(?:\.\./)*methods\.html#([^"]+)"', page))
        # The pages about files have no figure of a group; the first release has changed nothing.
        assert anchors or path in ("methods.html", "quality.html", "changes.html"), path
        assert not {anchor for anchor in anchors if f'id="{anchor}"' not in methods}, path


def test_pages_say_which_numbers_are_taken_to_be_known(tmp_path):
    """In both languages; and the network's page claims no more than such a release."""
    home, who = Home(tmp_path), partner(privacy={"public_enrollment": ["race_ethnicity"]})
    limited = {"proof": {"apart_at_least": 3, "counts_limited_by_public_enrollment": 7}}
    release = publish(home, who=who, attack=lambda folder: holds(folder) | limited)
    label = small()[1].labels.dimension("race_ethnicity")
    assert (
        f"Numbers of students by {label} are taken to be known" in (release.path / "index.html").read_text()
    )
    spanish = [
        page for page in release.path.rglob("*.es.html") if "se conocen por otras fuentes" in page.read_text()
    ]
    assert spanish == [*release.path.rglob("*.es.html")] and spanish
    roll_up = network.publish(home, {who.partner_id: who})
    assert "students apart" not in (roll_up.path / "index.html").read_text()
