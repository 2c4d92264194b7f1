"""Print what a rush of launchers comes to: simulated, then with real processes. Exit code 1 if it costs too much."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from . import launchers
from .figures import Figures, together
from .policies import Exactly, FullJitter, NoJitter
from .simulation import Rush, simulate

MOST_AT_ONCE, MOST_WITH_SPLAY = 4.4, 1.3
"""Requests for each success that the policy may cost."""

_TIMES, _MORE_TIMES = 5, 20
"""How often a rush is simulated; more often where chance decides more."""

_LONG = 600.0
_COLUMNS = "{:<46} {:>10} {:>8} {:>7} {:>14} {:>8}   {}"
_HEADINGS = ("", "last start", "requests", "busiest", "not started", "crashes", "the design's own figures")
_UNITS = ("", "after", "/success", "second", "", "", "")


class _Report:
    """Prints row by row, and remembers which promise was not kept."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def title(self, text: str) -> None:
        print(f"\n{text}\n", flush=True)
        print(_COLUMNS.format(*_HEADINGS))
        print(_COLUMNS.format(*_UNITS).rstrip(), flush=True)

    def row(self, what: str, figures: Figures, designed: str = "", *, most: float | None = None) -> None:
        """One rush. `most` is what it may cost, and then nobody may fail either."""
        cost = figures.requests_per_success
        cells = (
            what,
            f"{figures.last_start:.0f} s",
            f"{cost:.2f}",
            figures.peak,
            f"{figures.failed} of {figures.launchers}" if figures.failed else "none",
            figures.crashes or "-",
            designed,
        )
        print(_COLUMNS.format(*cells).rstrip(), flush=True)
        if most is not None and (figures.failed or cost > most):
            self.broken.append(f"{what.strip()}: {cost:.2f} requests for each success, {figures.failed} not started")


def main(words: Sequence[str] | None = None) -> int:
    """Print the tables; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m herd", description=__doc__)
    parser.add_argument("--only", choices=("simulated", "real"), help="one half of it")
    parser.add_argument("--seed", type=int, default=1, help="where the simulated chance begins (1)")
    parser.add_argument("--launchers", type=int, default=100, help="real processes (100)")
    given = parser.parse_args(words)
    report, began = _Report(), time.monotonic()
    if given.only != "real":
        _thousand(report, given.seed)
        _ten_thousand(report, given.seed)
    if given.only != "simulated":
        _real(report, given.launchers)
    print(f"\nThis took {time.monotonic() - began:.0f} s.")
    if report.broken:
        print(f"\nMore than {MOST_AT_ONCE} at once or {MOST_WITH_SPLAY} with splay, or some not started:")
        print("\n".join(f"  {broken}" for broken in report.broken))
    return 1 if report.broken else 0


def _thousand(report: _Report, seed: int) -> None:
    report.title(_told("Simulated", Rush()))
    contrasts = (
        ("backoff without jitter", NoJitter, "993 of 1000 not started, 29"),
        ("Retry-After exactly", Exactly, "104 s, 50"),
        ("full jitter", FullJitter, "111 s, 10"),
    )
    for what, policy, designed in contrasts:
        report.row(f"{what}, in 600 s", simulate(Rush(policy=policy, timeout=_LONG), seed), designed)
    several, many = range(seed, seed + _TIMES), range(seed, seed + _MORE_TIMES)
    ours = (
        ("ours, in 120 s", Rush(), several, "111 s, 4.4", MOST_AT_ONCE),
        ("  starts spread over 100 s", Rush(splay=100), many, "101 s, 1.3", MOST_WITH_SPLAY),
        ("  starts spread over 110 s", Rush(splay=110), many, "", MOST_WITH_SPLAY),
        ("  2 ms to the store and back", Rush(round_trip=0.002), several, "", None),
        ("  200 ms to the store and back", Rush(round_trip=0.2), several, "", None),
        ("  in 30 s, restarted when it fails", Rush(timeout=30, restart=0), several, "298 s, 2179 crashes", None),
    )
    for what, rush, seeds, designed, most in ours:
        figures = together([simulate(rush, each) for each in seeds])
        report.row(f"{what} ({len(seeds)} times)", figures, designed, most=most)


def _ten_thousand(report: _Report, seed: int) -> None:
    report.title(_told("Simulated", Rush(launchers=10_000)))
    report.row("ours, in 120 s", simulate(Rush(launchers=10_000), seed))
    report.row("  in 1200 s", simulate(Rush(launchers=10_000, timeout=1200), seed))
    spread = Rush(launchers=10_000, splay=1100)
    report.row("  in 120 s, starts spread over 1100 s", simulate(spread, seed), most=MOST_WITH_SPLAY)


def _real(report: _Report, count: int) -> None:
    rush = Rush(launchers=count)
    report.title(_told("Real processes and the emulator:", rush))
    _really(report, "ours, in 120 s", rush, MOST_AT_ONCE)
    if rush.least:
        splay = 1.1 * rush.least
        _really(report, f"  --splay {splay:.0f}s", Rush(launchers=count, splay=splay), MOST_WITH_SPLAY)


def _really(report: _Report, what: str, rush: Rush, most: float) -> None:
    outcome = launchers.rush(rush.launchers, rush.secrets, rush.rate, splay=rush.splay, timeout=rush.timeout)
    report.row(what, outcome.figures, most=most)
    if outcome.codes:
        print(f"exit codes: {', '.join(map(str, sorted(set(outcome.codes))))}; the last words were:\n{outcome.said}")


def _told(how: str, rush: Rush) -> str:
    return (
        f"{how} {rush.launchers:,} launchers with {rush.secrets} secrets each, all at once, against {rush.rate:g}"
        f" requests a second\nand Retry-After: 1. The limit itself takes {rush.least:.0f} s."
    )


if __name__ == "__main__":
    sys.exit(main())
