"""The registry of formats: every format of a partner file leads to a module or to a clear refusal."""

import typing

import pytest

from equity_pipeline.adapters import ADAPTERS
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.partners.registry import Format


def test_every_format_of_a_partner_file_is_registered():
    assert set(ADAPTERS) == set(typing.get_args(Format))


def test_a_format_without_a_module_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(
        __import__("equity_pipeline.adapters", fromlist=["x"])._MODULES, "ib", "equity_pipeline.adapters.none"
    )
    with pytest.raises(EquityError, match="'ib'"):
        ADAPTERS["ib"]


def test_an_unknown_format_is_no_key():
    with pytest.raises(KeyError):
        ADAPTERS["excel"]
