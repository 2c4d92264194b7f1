"""Many launchers at once: few requests, nobody left behind. Simulated with the real engine; and a few real ones."""

from __future__ import annotations

import pytest

from herd import launchers
from herd.__main__ import MOST_AT_ONCE, MOST_WITH_SPLAY, main
from herd.figures import busiest_second
from herd.policies import Exactly, FullJitter, NoJitter
from herd.simulation import Rush, simulate

RUSH = Rush(launchers=100)
SPREAD = Rush(launchers=100, splay=1.1 * RUSH.least)
MOST_OF_A_HUNDRED = 3.0
"""Requests for each success: without the gate it is 3.5, without jitter 3.7."""

TOO_SHORT = 5.0
"""A deadline that the limit alone breaks for some."""


@pytest.mark.parametrize("seed", range(3))
def test_a_rush_starts_everybody_with_few_requests(seed: int) -> None:
    figures = simulate(RUSH, seed)
    assert (figures.started, figures.failed) == (100, 0)
    assert figures.successes == 500, "each secret is read once"
    assert RUSH.least <= figures.last_start < RUSH.timeout
    assert figures.requests_per_success <= MOST_OF_A_HUNDRED


@pytest.mark.slow
def test_a_thousand_launchers_cost_no_more_than_promised() -> None:
    figures = simulate(Rush(launchers=1000, timeout=600))
    assert figures.failed == 0
    assert figures.requests_per_success <= MOST_AT_ONCE


@pytest.mark.parametrize("seed", range(3))
def test_a_rush_that_is_spread_hardly_meets_the_limit(seed: int) -> None:
    figures = simulate(SPREAD, seed)
    assert figures.failed == 0
    assert figures.requests_per_success <= MOST_WITH_SPLAY
    assert figures.peak < simulate(RUSH, seed).peak


@pytest.mark.parametrize("policy", [NoJitter, Exactly, FullJitter])
def test_a_policy_without_a_gate_costs_more(policy: type[NoJitter]) -> None:
    simple = simulate(Rush(launchers=100, policy=policy, timeout=600))
    assert simple.requests_per_success > 1.5 * simulate(RUSH).requests_per_success


def test_the_same_seed_gives_the_same_figures() -> None:
    assert simulate(RUSH, 7) == simulate(RUSH, 7)
    assert simulate(RUSH, 7) != simulate(RUSH, 8)


def test_nobody_starts_after_the_deadline() -> None:
    figures = simulate(Rush(launchers=100, timeout=TOO_SHORT))
    assert figures.failed > 0
    assert figures.started + figures.failed == 100
    assert figures.last_start <= TOO_SHORT


def test_whoever_is_restarted_starts_in_the_end() -> None:
    figures = simulate(Rush(launchers=100, timeout=TOO_SHORT, restart=1))
    assert figures.crashes > 0
    assert (figures.started, figures.failed) == (100, 0)


@pytest.mark.parametrize(
    ("times", "most"),
    [([], 0), ([5.0], 1), ([0.0, 1.0, 2.0], 1), ([0.0, 0.5, 0.9, 1.2], 3), ([1.0] * 4, 4)],
)
def test_the_busiest_second_is_any_second(times: list[float], most: int) -> None:
    assert busiest_second(times) == most


@pytest.mark.slow
def test_real_launchers_share_a_limit() -> None:
    outcome = launchers.rush(launchers=6, secrets=5, rate=10)
    assert (list(outcome.codes), outcome.said) == ([], "")
    assert outcome.figures.successes == 30
    assert outcome.figures.requests > 30, "the limit was met"
    assert outcome.figures.last_start >= 1.9, "the limit was kept"


@pytest.mark.slow
def test_a_real_launcher_that_cannot_wait_is_counted_with_its_exit_code() -> None:
    outcome = launchers.rush(launchers=2, secrets=5, rate=1, timeout=0.9)
    assert list(outcome.codes) == [75, 75]
    assert outcome.figures.failed == 2
    assert "secrets-exec: error:" in outcome.said


@pytest.mark.slow
def test_the_tables_are_printed_and_nothing_is_more_than_promised(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "real", "--launchers", "4"]) == 0
    assert "ours, in 120 s" in capsys.readouterr().out
