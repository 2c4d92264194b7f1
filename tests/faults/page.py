"""docs/scenarios.md, made from the scenarios: `make scenarios` writes it, a test compares it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from .scenarios import SCENARIOS, Count, Scenario

PATH = Path(__file__).parents[2] / "docs/scenarios.md"

_HEAD = """\
# What can go wrong, and what comes of it

Each row is a test: hostile servers on loopback, the real launcher as a process, and a look at everything afterwards.
`make test` plays all of them, `make test-faults` them alone. This page is made from the tests (`make scenarios`).

Of each run it is also checked that

- no value, credential, token or answer stands in standard output or error, in a file, in the argument list of any
  process, or in a request to any other host: as it is, in hex, in base64 at any offset, URL-encoded, JSON-escaped, or
  as Python writes it;
- a host with a valid certificate that redirects, proxy variables and answers point to is never contacted;
- a message is 1 to 20 lines of printable ASCII, names variable and provider, and holds no traceback;
- nothing is told on success but a first retry;
- no file is written or changed.

Codes are those of [Running](running.md). `0` is a start, with exactly the values that the store holds. *Requests* are
those for secrets, *exchanges* those for a token. *Within* is when the launcher is over at the latest, on a slow and
busy machine. {scenarios} scenarios, {runs} runs: over `curl` and `requests` and, where it makes a difference, over
HTTP/1.1 and HTTP/2.
"""
_COLUMNS = ("scenario", "the other side", "code", "requests", "exchanges", "within", "played over")


def page() -> str:
    """The whole page."""
    runs = sum(len(list(scenario.ways())) for scenario in SCENARIOS)
    parts = [_HEAD.format(scenarios=len(SCENARIOS), runs=f"{runs:,}")]
    for group, some in groupby(SCENARIOS, key=lambda scenario: scenario.group):
        parts.append(f"\n## {group}\n\n" + "".join(f"{line}\n" for line in _table(list(some))))
    return "".join(parts)


def _table(scenarios: Sequence[Scenario]) -> Iterator[str]:
    yield _line(_COLUMNS)
    yield _line(["---"] * len(_COLUMNS))
    for scenario in scenarios:
        yield _line(
            (
                scenario.name,
                scenario.does,
                str(scenario.code),
                _count(scenario.requests),
                _count(scenario.exchanges),
                f"{scenario.within:g} s",
                _WAYS[tuple(scenario.ways())],
            )
        )


_WAYS: Mapping[tuple[str, ...], str] = {
    ("curl", "requests"): "HTTP/1.1",
    ("curl", "requests", "curl over HTTP/2"): "both",
    ("curl over HTTP/2",): "HTTP/2",
}


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _count(count: Count) -> str:
    if count is None:
        return "any"
    if isinstance(count, int):
        return str(count)
    least, most = count
    return f"{least} or more" if most is None else f"{least} to {most}"


if __name__ == "__main__":
    PATH.write_text(page())
