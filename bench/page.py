"""The results as a page and a plot, and the budgets for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from . import budgets
from .budgets import Measured, Verdict
from .clouds import CLOUDS, KAKAOCLOUD, NCLOUD
from .figures import Times, figure, pairs, ratio
from .launchers import GO, GO_1, GO_FRESH, NAIVE, ONE_FILE, OURS, PASS, WIDE, WIDE_1
from .plot import Line, plot
from .run import DELAYS, GROWTH, LOCAL_PEERS, NUMBERS, PEERS_AT, Bench, Extras

_NAMES = {KAKAOCLOUD: "KakaoCloud", NCLOUD: "NAVER Cloud"}
_PLOTTED = (OURS, WIDE, ONE_FILE, GO, NAIVE)

_INTRODUCTION = """\
# Results of `make bench`

Written by `make bench`; do not edit. Whole processes on one machine, from their start until the command has ended; the
command is `true`. In each cell all programs take turns (A B C A B C), so a busy machine is busy for all of them. Times
are medians in milliseconds, with the quartiles beside them. Ratios in the budgets are those of the medians; ratios
*pair by pair* are of runs of the same round. Milliseconds differ from machine to machine, ratios much less.

The server is a Go program on loopback (`bench/server`): TLS, HTTP/2 with 128 requests at once on a connection, and
HTTP/1.1. It waits the set delay before each answer, the token exchange included. KakaoCloud's access key is exchanged
for a token; NAVER Cloud's signatures are made and verified. Each secret has a value of its own, and takes one request.

- `secrets-exec`: installed from its wheel, with bytecode; a TOML manifest; libcurl. It speaks HTTP/2, unless the name
  says HTTP/1.1: there the server offers nothing else. Not more than 16 requests are under way at once; with `-j N` as
  many as there are secrets, over HTTP/1.1 up to 64. The wheel brings the modules of a start compiled, for the Python
  that built it, so they are not compiled where no bytecode is.
- `one file`: the static executable of `make onefile`, where it was built.
- `naive`: click, requests, ten threads (`bench/naive.py`), on the same interpreter and server; it speaks HTTP/1.1.
- `Go`: the same work with Go's standard library alone (`bench/limit`), as the limit, over 4 connections with
  HTTP/2. Over HTTP/1.1 it keeps up to 64, while secrets-exec opens one for each request, so that no answer can be taken
  for another's.
- `python -c pass`: the same interpreter, which does nothing. Not with `-I`, since a script does not start so either.
- Peers with a store of their own read the same values of Vault's API on the same server.
"""


# For a terminal


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """The budgets as lines of columns."""
    rows = [("work", "measured", "at most", "of", ""), *(_verdict(each) for each in verdicts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _verdict(each: Verdict) -> tuple[str, str, str, str, str]:
    measured = "-" if each.measured is None else f"{each.measured:.3g}"
    return (each.budget.work, measured, f"{each.budget.most:g}", each.budget.unit, each.word)


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many hold, in a sentence."""
    holds, known = sum(each.holds is True for each in verdicts), sum(each.holds is not None for each in verdicts)
    return (
        f"{holds} of {len(verdicts)} budgets hold, {known - holds} do not, {len(verdicts) - known} were not measured."
    )


# The page


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A table in Markdown; columns are figures, but for those (by number) that are words."""
    rule = ["---" if number in words else "--:" for number in range(len(heading))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heading, rule, *rows)) + "\n"


def page(bench: Bench, machine: Mapping[str, str], verdicts: Sequence[Verdict], when: str) -> str:
    """All that was found, in Markdown."""
    parts = [_INTRODUCTION, f"Measured on {when}:\n", table(("", ""), [*machine.items()], (0, 1))]
    parts += ["## Budgets\n", tally(verdicts) + "\n"]
    parts += [
        table(("work", "measured", "at most", "times / of", ""), [_verdict(each) for each in verdicts], (0, 3, 4))
    ]
    parts += _clouds(bench.measured)
    parts += _starts(bench.measured)
    parts += _extras(bench.measured, bench.extras)
    parts += [
        "## What did not run\n",
        "\n".join(f"- {without_places(why)}" for why in bench.measured.missing) or "Nothing.",
        "",
    ]
    return "\n".join(parts).rstrip() + "\n"


def without_places(text: str) -> str:
    """What a program said, without the paths and addresses of this machine."""
    return " ".join("..." if word.startswith("/") or "://" in word else word for word in text.split())


def shown(times: Times | None) -> str:
    """Milliseconds: the median and the quartiles."""
    if not times:
        return "-"
    found = figure(took * 1000 for took in times.values())
    return f"{_short(found.median)} ({_short(found.low)}-{_short(found.high)})"


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"


def _clouds(measured: Measured) -> Iterator[str]:
    heading = ["ms", *(f"{number:,}" for number in NUMBERS)]
    for cloud in CLOUDS:
        yield f"## Secrets of {_NAMES[cloud]}\n"
        for delay in DELAYS:
            found = [measured.cells.get(budgets.cell(cloud, number, delay), {}) for number in NUMBERS]
            names = [name for name in dict.fromkeys(name for times in found for name in times) if name != PASS]
            if names:
                rows = [[name, *(shown(times.get(name)) for times in found)] for name in names]
                yield f"Each answer after {delay} ms, by the number of secrets:\n"
                yield table(heading, rows)
    yield "### Pair by pair\n"
    yield "The median and the quartiles of the ratios of runs in the same round.\n"
    compared = (
        (OURS, NAIVE),
        (OURS, GO),
        (WIDE, NAIVE),
        (WIDE, GO),
        (WIDE_1, NAIVE),
        (WIDE_1, GO_1),
        (WIDE_1, GO_FRESH),
    )
    rows = []
    for cloud in CLOUDS:
        for delay in DELAYS:
            found = [measured.cells.get(budgets.cell(cloud, number, delay), {}) for number in NUMBERS]
            for ours, theirs in compared:
                cells = [_paired(times, ours, theirs) for times in found]
                if any(cell != "-" for cell in cells):
                    rows.append([f"{_NAMES[cloud]} at {delay} ms: {ours} / {theirs}", *cells])
    yield table(["", *heading[1:]], rows)


def _paired(times: Mapping[str, Times], ours: str, theirs: str) -> str:
    if not times.get(ours) or not times.get(theirs):
        return "-"
    found = pairs(times[ours], times[theirs])
    return f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})"


def _starts(measured: Measured) -> Iterator[str]:
    explained = {
        budgets.STARTS: ("Without a cloud", "Ten variables of each kind."),
        LOCAL_PEERS: ("Peers with local files", "Ten variables in a dotenv file, or in a folder of files."),
        **{budgets.bare(cloud): (f"No bytecode, {_NAMES[cloud]}", _BARE) for cloud in CLOUDS},
        GROWTH: ("Many secrets", _MANY),
    }
    for name, (title, said) in explained.items():
        if times := measured.cells.get(name):
            base = times.get(PASS)
            yield f"## {title}\n"
            yield f"{said}\n"
            if base:
                rows = [[each, shown(took), f"{ratio(took, base):.2f}", str(len(took))] for each, took in times.items()]
                yield table(("", "ms", f"times {PASS}", "runs"), rows)
            else:
                yield table(("", "ms", "runs"), [[each, shown(took), str(len(took))] for each, took in times.items()])


_BARE = """\
One secret, no delay. Library and packages are copied without bytecode, and seen through a read-only mount: each start
compiles all that it imports."""

_MANY = """\
So many secrets of KakaoCloud, no delay. A manifest holds 1,000 at most, so this is not the launcher, but the same code
called with several manifests (`bench/growth.py`), each time in a new process."""

_PEAKS = """\
The largest resident set before the command, in MiB, with 10 and 1,000 secrets. The 8 MiB of the interpreter that starts
the launcher is the least that can be seen.
"""


def _extras(measured: Measured, extras: Extras) -> Iterator[str]:
    yield "## Instructions and memory\n"
    if extras.instructions:
        base = extras.instructions[PASS]
        rows = [[name, f"{count / 1e6:.0f}", f"{count / base:.2f}"] for name, count in extras.instructions.items()]
        yield "Instructions of the launcher alone, counted by callgrind (which cannot run the Go program):\n"
        yield table(("", "millions", f"times {PASS}"), rows)
    if extras.peaks:
        yield _PEAKS
        rows = [
            [name, *(f"{mib:.1f}" for mib in found), *["-"] * (2 - len(found))] for name, found in extras.peaks.items()
        ]
        yield table(("", "10", "1,000"), rows)
    if extras.residents:
        yield "What stays beside the command, MiB:\n"
        yield table(("", "RSS", "PSS"), [[name, f"{r:.1f}", f"{p:.1f}"] for name, (r, p) in extras.residents.items()])
    if budgets.CPU in measured.values:
        cpu, memory = measured.values[budgets.CPU], measured.values[budgets.MEMORY]
        yield f"Expansion and merge of 1,000 secrets of 20 keys: {cpu:.0f} ms of CPU, {memory:.1f} MiB.\n"
    if extras.peers:
        yield "## Peers\n"
        yield table(
            ("peer", "version, where from, what"), [[name, said] for name, said in extras.peers.items()], (0, 1)
        )
    if extras.rates:
        yield "## The server\n"
        yield from _server(extras)


def _server(extras: Extras) -> Iterator[str]:
    yield "Asked as fast as a Go program can, on the same cores, it answers so many requests a second:\n"
    yield table(("", "requests/s"), [[name, f"{rate:,.0f}"] for name, rate in extras.rates.items()])
    yield "While a launcher reads 1,000 secrets without delay, it is asked so often, and uses so much of one core:\n"
    rows = [[name, f"{rate:,.0f}", f"{share:.0%}"] for name, (rate, share) in extras.shares.items()]
    yield table(("", "secrets/s", "of one core"), rows)
    requests = ", ".join(f"{name} {number}" for name, number in extras.requests.items())
    yield f"Requests for ten secrets of KakaoCloud, the token's among them: {requests}.\n"


# The plot


def picture(measured: Measured) -> str | None:
    """Time against the number of secrets at 20 ms; None where nothing of it was measured."""
    found = {number: measured.cells.get(budgets.cell(KAKAOCLOUD, number, PEERS_AT), {}) for number in NUMBERS}
    names = [*_PLOTTED, *dict.fromkeys(name for times in found.values() for name in times)]
    lines = []
    for name in dict.fromkeys(names):
        if name in _PLOTTED or not name.startswith(("python", "Go", OURS, ONE_FILE)):
            points = [(float(number), _median(times[name])) for number, times in found.items() if times.get(name)]
            lines.append(Line(name, points, is_ours=name == OURS))
    if not any(line.points for line in lines):
        return None
    title = "From the start to the end of the command, each answer after 20 ms"
    return plot(title, "secrets", "ms", lines)


def _median(times: Times) -> float:
    return figure(times.values()).median * 1000
