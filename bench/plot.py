"""A plot as SVG, written by hand: lines over two logarithmic axes, readable on a light and a dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 200, 60, 52
_APART = 15.0
"""How far the names of two lines are kept from each other."""

_COLOURS = ("#2f81f7", "#e5534b", "#3fa45b", "#b083f0", "#c69026", "#57a6a1", "#d3619c")
_STYLE = """\
  <style>
    text { font: 13px system-ui, sans-serif; fill: #444c56; }
    .title { font-weight: 600; font-size: 15px; }
    .grid { stroke: #8b949e; stroke-opacity: 0.3; }
    .line { fill: none; stroke-width: 2; }
    .ours { stroke-width: 3.5; }
    @media (prefers-color-scheme: dark) { text { fill: #c9d1d9; } }
  </style>"""


@dataclass(frozen=True, slots=True)
class Line:
    """What a line is called, and its points; the one that the plot is about is drawn bolder."""

    name: str
    points: Sequence[tuple[float, float]]
    is_ours: bool = False


def plot(title: str, across: str, up: str, lines: Sequence[Line]) -> str:
    """The plot. All coordinates are positive. Raises: ValueError when there is no point."""
    drawn = [line for line in lines if line.points]
    if not drawn:
        raise ValueError("nothing to draw")
    axes = _Axes(drawn)
    parts = [_head(title), _STYLE, f'  <text class="title" x="{_LEFT}" y="24">{escape(title)}</text>']
    parts += axes.grid(across, up)
    ends = _apart([axes.place(line.points[-1])[1] for line in drawn])
    for number, (line, end) in enumerate(zip(drawn, ends, strict=True)):
        parts += _drawn(line, _COLOURS[number % len(_COLOURS)], axes, end)
    return "\n".join([*parts, "</svg>", ""])


def _head(title: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">'
    )


class _Axes:
    """From values to places: both axes are logarithmic, and end at a power of ten or at twice or five times one."""

    def __init__(self, lines: Sequence[Line]) -> None:
        across = [x for line in lines for x, _ in line.points]
        up = [y for line in lines for _, y in line.points]
        self._across = (min(across), max(max(across), min(across) * 10))
        lowest = _below(min(up))
        self._up = (lowest, _above(max(*up, 2 * lowest)))

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a point is drawn."""
        x, y = (_part(value, span) for value, span in zip(point, (self._across, self._up), strict=True))
        return _LEFT + x * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - y * (HEIGHT - _TOP - _BOTTOM)

    def grid(self, across: str, up: str) -> list[str]:
        """Lines and numbers of the grid, and what the axes are."""
        parts = []
        for value in _ticks(*self._up, steps=(1, 2, 5)):
            y = self.place((self._across[0], value))[1]
            parts.append(f'  <line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'  <text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
        for value in _ticks(*self._across, steps=(1,)):
            x = self.place((value, self._up[0]))[0]
            parts.append(f'  <line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
            parts.append(f'  <text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{value:,.0f}</text>')
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(f'  <text x="{middle:.1f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>')
        parts.append(f'  <text x="{_LEFT - 8}" y="{_TOP - 14}" text-anchor="end">{escape(up)}</text>')
        return parts


def _part(value: float, span: tuple[float, float]) -> float:
    low, high = map(math.log10, span)
    return (math.log10(value) - low) / (high - low)


def _below(value: float) -> float:
    return max(tick for tick in _ticks(value / 20, value, steps=(1, 2, 5)) if tick <= value)


def _above(value: float) -> float:
    return min(tick for tick in _ticks(value, value * 20, steps=(1, 2, 5)) if tick >= value)


def _ticks(low: float, high: float, *, steps: Sequence[int]) -> list[float]:
    """The round numbers from low to high."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [step * 10.0**power for power in powers for step in steps]
    return [value for value in found if low * 0.999 <= value <= high * 1.001]


def _apart(places: Sequence[float]) -> list[float]:
    """The same places, moved down where two would be written over each other, and up again at the lower edge."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved, last = list(places), -math.inf
    for index in order:
        moved[index] = last = max(places[index], last + _APART)
    limit = HEIGHT - _BOTTOM + _APART
    for index in reversed(order):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - _APART
    return moved


def _drawn(line: Line, colour: str, axes: _Axes, end: float) -> list[str]:
    places = [axes.place(point) for point in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    kind, radius = ("line ours", 4) if line.is_ours else ("line", 3)
    parts = [f'  <polyline class="{kind}" stroke="{colour}" points="{path}"/>']
    parts += [f'  <circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>' for x, y in places]
    weight = ' font-weight="600"' if line.is_ours else ""
    x = places[-1][0] + 10
    return [*parts, f'  <text x="{x:.1f}" y="{end + 4:.1f}"{weight} style="fill: {colour}">{escape(line.name)}</text>']
