import datetime as dt
import hashlib
import io
import json

import pandas as pd
import pytest

from equity_pipeline.publishing import contracts, datafiles

from .frames import frames


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x","y")'])
def test_text_that_a_spreadsheet_would_run_is_harmless_in_both_formats(text):
    files = datafiles.both("data/x", pd.DataFrame({"name": [text, "plain", None], "gap": [-0.5, 0.25, None]}))
    csv = pd.read_csv(io.BytesIO(files["data/x.csv"]), keep_default_na=False, na_values=[""])
    parquet = pd.read_parquet(io.BytesIO(files["data/x.parquet"]))
    assert csv["name"][0] == parquet["name"][0] == "'" + text.replace("\t", " ").replace("\r", " ")
    assert csv["name"][1] == parquet["name"][1] == "plain"
    assert csv["name"].isna()[2] and parquet["name"].isna()[2]
    assert csv["gap"][0] == parquet["gap"][0] == -0.5, "a negative number is a number, not a formula"


def test_both_formats_hold_the_same_numbers_and_the_same_bytes_each_time():
    for mart, frame in frames(years=[2025, 2026], size=300).items():
        checked = contracts.check(mart, frame)
        files = datafiles.both(mart, checked)
        assert files == datafiles.both(mart, contracts.check(mart, frame.sample(frac=1, random_state=1)))
        csv, parquet = (
            pd.read_csv(io.BytesIO(files[f"{mart}.csv"])),
            pd.read_parquet(io.BytesIO(files[f"{mart}.parquet"])),
        )
        assert list(csv.columns) == list(parquet.columns)
        assert csv["gap"].astype("Float64").equals(parquet["gap"].astype("Float64"))
        assert csv["suppressed"].tolist() == parquet["suppressed"].tolist()


def test_the_data_dictionary_describes_every_column_as_it_is(release):
    package = json.loads((release.path / "data/datapackage.json").read_text())
    assert {resource["name"] for resource in package["resources"]} == set(contracts.MARTS)
    for resource in package["resources"]:
        file = release.path / "data" / resource["path"]
        assert resource["hash"] == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        assert resource["description"]
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        fields = {field["name"]: field for field in resource["schema"]["fields"]}
        assert list(fields) == list(table.columns)
        assert not table.duplicated(resource["schema"]["primaryKey"]).any()
        for name, field in fields.items():
            assert field["description"], f"{resource['name']}.{name} has no description"
            values = [value for value in table[name].unique() if value]
            READ[field["type"]](values)
            assert set(values) <= set(field.get("constraints", {}).get("enum", values))


READ = {
    "string": lambda values: values,
    "integer": lambda values: [int(value) for value in values],
    "number": lambda values: [float(value) for value in values],
    "boolean": lambda values: [["false", "true"].index(value) for value in values],
    "date": lambda values: [dt.date.fromisoformat(value) for value in values],
}
