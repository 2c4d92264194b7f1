"""A server that sends one answer too many never shifts a value to another secret: 200 runs of 50 secrets each."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .certificates import Certificates
from .playing import Stage
from .scenarios import SCENARIOS, Scenario

_RUNS = 200
_TESTS = 10
_SHIFTING = [scenario for scenario in SCENARIOS if scenario.name.startswith("an extra answer")]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(_TESTS))
@pytest.mark.parametrize("scenario", _SHIFTING, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("transport", ["curl", "requests"])
def test_no_value_is_shifted(
    transport: str, scenario: Scenario, number: int, certificates: Certificates, tmp_path: Path
) -> None:
    if transport == "curl" and importlib.util.find_spec("pycurl") is None:
        pytest.skip("pycurl is not installed")
    for run in range(_RUNS // (_TESTS * len(_SHIFTING))):
        folder = tmp_path / f"run{number}-{run}"
        folder.mkdir()
        played = Stage(scenario, transport, certificates, folder).play()
        assert not played.problems, played.problems
