"""A timeline as something to look at: a few lines of text, an SVG, or the Trace Event format of Chrome's viewer.

Sources: the document 'Trace Event Format'; SVG 1.1. Every text in them is escaped; none is a value.
"""

from __future__ import annotations

import os

from .log import printable
from .timeline import ASKS, CONNECTS, KINDS, PAUSES, READS, RECEIVES, SECURES, WAITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .timeline import Timeline, Track

FORMS = (".svg", ".json")
"""How the name of a file with a picture ends."""

_MARKS = {WAITS: ".", CONNECTS: "c", SECURES: "t", ASKS: "=", RECEIVES: "#", PAUSES: "~", READS: "r"}
_MOST_LINES = 20
DEFAULT_WIDTH = 120
_AROUND = 42
"""Characters of a line beside its name and its bar: what every message begins with, and what stands behind the bar."""
_LONGEST_NAME, _SHORTEST_NAME = 44, 12
_LIGHT = {
    WAITS: "#c9ced6",
    CONNECTS: "#e08a1e",
    SECURES: "#a463c9",
    ASKS: "#2f7fd1",
    RECEIVES: "#22994f",
    PAUSES: "#d64545",
    READS: "#1b9e9e",
}
_DARK = _LIGHT | {WAITS: "#4b525c"}
_ROW, _LABEL, _BARS, _NOTE, _TOP = 22, 330, 620, 190, 58
_TICKS = 8


def save(timeline: Timeline, path: str) -> str | None:
    """Write a timeline into a file, by the form that its name says. What hinders that, or None when nothing does.

    The file is readable by its owner only, since it says what is read from where.
    """
    text = as_svg(timeline) if path.endswith(".svg") else as_trace(timeline)
    data = text.encode("ascii")
    try:
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC, 0o600
        )
        try:
            os.ftruncate(descriptor, 0)
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
    except OSError as error:
        return os.strerror(error.errno or 0)
    except ValueError:
        return "it is no path"
    return None


# Text


def as_lines(timeline: Timeline, width: int = DEFAULT_WIDTH) -> Iterator[str]:
    """A line for each track with its bar, after one that explains them; of many tracks the slowest ones.

    `width` is the terminal's; lines are not made longer for it.
    """
    tracks = [track for track in timeline.tracks if track.ends is not None]
    if not tracks:
        return
    shown = tracks
    if len(tracks) > _MOST_LINES:
        slowest = sorted(tracks, key=lambda track: track.seconds)[-_MOST_LINES:]
        shown = [track for track in tracks if track in slowest]
    used = {span.kind for track in shown for span in track.spans()}
    legend = ", ".join(f"{mark} {kind}" for kind, mark in _MARKS.items() if kind in used)
    yield f"the fetch took {_told(timeline.ends - timeline.started)} ({legend})"
    cells = 40 if width >= DEFAULT_WIDTH else 20
    longest = max(_SHORTEST_NAME, min(_LONGEST_NAME, width - cells - _AROUND))
    names = min(longest, max(len(track.name) for track in shown))
    for track in shown:
        yield f"{_cut(track.name, names):{names}} |{_bar(track, timeline, cells)}| {_note(track)}"
    if len(tracks) > len(shown):
        yield f"and {len(tracks) - len(shown)} more, each faster than these"


def _bar(track: Track, timeline: Timeline, cells: int) -> str:
    length = max(timeline.ends - timeline.started, 1e-9)
    bar = [" "] * cells
    for span in track.spans():
        first = int((span.begins - timeline.started) / length * cells)
        last = int((span.ends - timeline.started) / length * cells)
        for cell in range(max(0, min(first, cells - 1)), min(max(last, first + 1), cells)):
            bar[cell] = _MARKS[span.kind]
    return "".join(bar)


def _note(track: Track) -> str:
    outcomes = [attempt.outcome for attempt in track.attempts if attempt.outcome]
    return f"{_told(track.seconds)}{': ' if outcomes else ''}{', '.join(outcomes)}"


def _told(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else _small(seconds)


def _small(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _cut(text: str, width: int) -> str:
    text = printable(text)
    return text if len(text) <= width else f"{text[: width - 3]}..."


# SVG


def as_svg(timeline: Timeline) -> str:
    """A picture with a row for each track, for light and dark pages alike."""
    length = max(timeline.ends - timeline.started, 1e-6)
    tracks = [track for track in timeline.tracks if track.ends is not None]
    height = _TOP + _ROW * len(tracks) + 14
    width = _LABEL + _BARS + _NOTE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="system-ui, sans-serif" font-size="12" role="img">',
        f"<title>{_xml(f'secrets-exec: the fetch took {_told(length)}')}</title>",
        f"<style>{_style()}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        *_legend(),
        *_scale(length, height),
    ]
    for number, track in enumerate(tracks):
        parts += _row(track, timeline.started, length, _TOP + _ROW * number)
    return "\n".join([*parts, "</svg>", ""])


def _style() -> str:
    light = " ".join(f".{kind} {{ fill: {colour} }}" for kind, colour in _LIGHT.items())
    dark = " ".join(f".{kind} {{ fill: {colour} }}" for kind, colour in _DARK.items())
    return (
        f".page {{ fill: #fff }} text {{ fill: #1c2128 }} .faint {{ fill: #68707a }} line {{ stroke: #d8dce2 }} {light}"
        " @media (prefers-color-scheme: dark) {"
        f" .page {{ fill: #14171b }} text {{ fill: #e6e9ed }} .faint {{ fill: #98a1ab }} line {{ stroke: #333a42 }}"
        f" {dark} }}"
    )


def _legend() -> Iterator[str]:
    x = 10
    for kind, about in KINDS.items():
        yield f'<rect class="{kind}" x="{x}" y="10" width="11" height="11" rx="2"/>'
        yield f'<text x="{x + 16}" y="20">{kind}<title>{_xml(about)}</title></text>'
        x += 90


def _scale(length: float, height: int) -> Iterator[str]:
    steps = (factor * 10.0**power for power in range(-4, 6) for factor in (1, 2, 5))
    step = next(step for step in steps if length / step <= _TICKS)
    for number in range(int(length / step) + 1):
        x = _LABEL + _BARS * number * step / length
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 10}" y2="{height - 8}"/>'
        yield f'<text class="faint" x="{x:.1f}" y="{_TOP - 14}" text-anchor="middle">{_tick(number * step)}</text>'


def _tick(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 or not seconds else f"{seconds * 1000:g} ms"


def _row(track: Track, started: float, length: float, y: int) -> Iterator[str]:
    name = printable(track.name)
    yield f'<text x="10" y="{y + 12}">{_xml(_cut(name, 48))}<title>{_xml(name)}</title></text>'
    ends = _LABEL
    for span in track.spans():
        x = _LABEL + _BARS * (span.begins - started) / length
        wide = max(_BARS * (span.ends - span.begins) / length, 0.5)
        about = f"{KINDS[span.kind]}: {_told(span.ends - span.begins)}" + (f" ({span.detail})" if span.detail else "")
        yield f'<rect class="{span.kind}" x="{x:.1f}" y="{y + 2}" width="{wide:.1f}" height="13" rx="1">'
        yield f"<title>{_xml(about)}</title></rect>"
        ends = int(x + wide)
    yield f'<text class="faint" x="{ends + 6}" y="{y + 12}">{_xml(_cut(_note(track), 30))}</text>'


def _xml(text: str) -> str:
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, escaped)
    return printable(text)


# Trace Event format


def as_trace(timeline: Timeline) -> str:
    """JSON that chrome://tracing, Perfetto and others open: one thread for each track."""
    import json  # costs milliseconds, needed only here

    events: list[dict[str, Any]] = [_named("process_name", 0, "secrets-exec")]
    for number, track in enumerate(timeline.tracks, 1):
        events.append(_named("thread_name", number, printable(track.name)))
        events += _events(track, number, timeline.started)
    document = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"program": "secrets-exec", "shape": 1}}
    return json.dumps(document, indent=1) + "\n"


def _named(what: str, number: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": 1, "tid": number, "args": {"name": name}}


def _events(track: Track, number: int, started: float) -> Iterator[dict[str, Any]]:
    def event(ph: str, name: str, at: float, **more: Any) -> dict[str, Any]:
        return {"ph": ph, "name": name, "cat": "fetch", "pid": 1, "tid": number, "ts": _micro(at, started), **more}

    if track.begins is None or track.ends is None:
        return
    about = {"provider": track.provider, "references": [printable(str(ref)) for ref in track.refs]}
    whole = _micro(track.ends, started) - _micro(track.begins, started)
    yield event("X", printable(track.name), track.begins, dur=whole, args=about)
    for span in track.spans():
        dur = _micro(span.ends, started) - _micro(span.begins, started)
        yield event("X", span.kind, span.begins, dur=dur, args={"about": KINDS[span.kind], "outcome": span.detail})
    for exchange in track.exchanges:
        yield event("i", "opened", exchange.opened, s="t", args={"host": exchange.host})
        for tries, attempt in enumerate(exchange.attempts, 1):
            where = {"host": exchange.host, "attempt": tries}
            yield event("i", "sent", attempt.sent, s="t", args=where)
            if attempt.ended is not None:
                yield event("i", attempt.outcome, attempt.ended, s="t", args=where)


def _micro(at: float, started: float) -> int:
    """Microseconds since the fetch began, whole: so parts never stand out of their whole by a rounding."""
    return round((at - started) * 1_000_000)
