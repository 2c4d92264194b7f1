"""Every scenario, over every transport that it is for, comes out as its record says."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .canaries import Canary
from .certificates import Certificates
from .page import PATH, page
from .playing import WAYS, Stage
from .scenarios import SCENARIOS, Scenario
from .worlds import why_not

_AT_ONCE = 6
"""Scenarios that wait for a clock are played so many at a time."""
_QUICK_ONE_IN = 5
"""Of the others, one in five is played by the quick tests too, over one transport in turn."""


def batches() -> Iterator[Any]:
    """Those that wait, several at once."""
    for way in WAYS:
        waiting = [scenario for scenario in SCENARIOS if scenario.is_slow and way in scenario.ways()]
        for start in range(0, len(waiting), _AT_ONCE):
            some = waiting[start : start + _AT_ONCE]
            yield pytest.param(some, way, id=f"{way}-{some[0].name}, and {len(some) - 1} more", marks=pytest.mark.slow)


def singles() -> Iterator[Any]:
    """All others, each for itself."""
    for number, scenario in enumerate(SCENARIOS):
        if not scenario.is_slow:
            ways = list(scenario.ways())
            quick = ways[number // _QUICK_ONE_IN % len(ways)] if number % _QUICK_ONE_IN == 0 else None
            for way in ways:
                yield pytest.param(
                    [scenario], way, id=f"{way}-{scenario.name}", marks=[pytest.mark.slow] * (way != quick)
                )


@pytest.mark.parametrize(("scenarios", "way"), [*batches(), *singles()])
def test_it_comes_out_as_promised(
    scenarios: Sequence[Scenario], way: str, certificates: Certificates, tmp_path: Path
) -> None:
    if way.startswith("curl") and importlib.util.find_spec("pycurl") is None:
        pytest.skip("pycurl is not installed")
    possible = [scenario for scenario in scenarios if not (scenario.world and why_not())]
    if not possible:
        pytest.skip(why_not())

    def problems(scenario: Scenario) -> list[str]:
        folder = tmp_path / f"stage{scenarios.index(scenario)}"
        folder.mkdir()
        played = Stage(scenario, way, certificates, folder).play()
        told = [f"{scenario.name}: {problem}" for problem in played.problems]
        return [*told, played.errors.decode("latin-1")] if told else []

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = [problem for told in pool.map(problems, possible) for problem in told]
    assert not found, "\n".join(found)


def test_no_name_occurs_twice() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_there_are_120_scenarios_for_each_transport_at_the_least() -> None:
    for transport in ("curl", "requests"):
        assert sum(transport in scenario.ways() for scenario in SCENARIOS) >= 120


def test_what_is_promised_of_one_transport_is_promised_of_the_other() -> None:
    alone = {scenario.name for scenario in SCENARIOS if ("curl" in scenario.ways()) != ("requests" in scenario.ways())}
    assert alone == set()


def test_the_page_of_the_documentation_is_made_of_them() -> None:
    assert PATH.read_text() == page(), "write it anew: make scenarios"


@pytest.mark.parametrize("form", Canary("x").forms())
def test_a_canary_is_found_in_every_form(form: str) -> None:
    canary = Canary("token")
    data = b"somewhere in " + canary.forms()[form] + b" here"
    assert form in set(canary.found_in(data))


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"], ids=len)
def test_a_canary_is_found_within_base64(before: bytes) -> None:
    canary = Canary("token")
    found = set(canary.found_in(base64.b64encode(before + canary.text.encode() + b"and more")))
    assert any(form.startswith("base64") for form in found)


def test_a_canary_is_not_found_where_it_is_not() -> None:
    assert not set(Canary("token").found_in(Canary("token").text.encode()))
