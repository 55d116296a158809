"""The measures as a picture: what grows with the repository, and what with the release. Both axes are logarithmic."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from benchmarks.results import Row

_WIDTH, _HEIGHT = 400, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 46, 26, 44
# Told apart by everybody, in light and in dark, and by their marks too.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 13px }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .grid { stroke: #3d444d } }
"""

type Points = Sequence[tuple[float, float]]


def picture(rows: Iterable[Row]) -> str:
    """Draw two panels side by side, as SVG."""
    listed = list(rows)
    by_size = {
        what: [(row.environments, row.cost.cpu) for row in listed if row.what == what and row.cost.cpu]
        for what in ("plan", "plan --apply", "grep and sed")
    }
    by_release = {
        what: [(row.affected, row.cost.cpu) for row in listed if row.what == what and row.cost.cpu]
        for what in ("release, nothing read before", "the next release", "follow its runs")
    }
    largest = max((row.environments for row in listed if row.what in by_release), default=0)
    panels = (
        _panel("A process, a tenth is affected", "environments in the repository", by_size),
        f'<g transform="translate({_WIDTH} 0)">'
        + _panel(f"In the app, of {largest:,} environments", "affected environments", by_release)
        + "</g>",
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * _WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="CPU seconds against environments and against affected environments">\n'
        f"<style>{_STYLE}</style>\n{''.join(panels)}\n</svg>\n"
    )


def _panel(title: str, axis: str, series: Mapping[str, Points]) -> str:
    drawn = {name: sorted(points) for name, points in series.items() if points}
    across = [x for points in drawn.values() for x, _ in points] or [1.0]
    up = [max(y, 0.001) for points in drawn.values() for _, y in points] or [1.0]
    columns, rows = _decades(across), _decades(up)
    parts = [f'<text class="title" x="{_LEFT}" y="16">{escape(title)}</text>']
    for decade in columns:
        x = _place(10**decade, columns, _LEFT, _WIDTH - _RIGHT)
        parts.append(f'<line class="grid" x1="{x:.0f}" y1="{_TOP}" x2="{x:.0f}" y2="{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{x:.0f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{10**decade:,}</text>')
    for decade in rows:
        y = _place(10**decade, rows, _HEIGHT - _BOTTOM, _TOP)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.0f}" x2="{_WIDTH - _RIGHT}" y2="{y:.0f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{10**decade:g} s</text>')
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(axis)}</text>')
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text transform="rotate(-90 12 {middle:.0f})" x="12" y="{middle:.0f}" text-anchor="middle">CPU</text>'
    )
    for number, (name, points) in enumerate(drawn.items()):
        colour = _COLOURS[number]
        placed = [
            (_place(x, columns, _LEFT, _WIDTH - _RIGHT), _place(max(y, 0.001), rows, _HEIGHT - _BOTTOM, _TOP))
            for x, y in points
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in placed]
        left = _LEFT + number * (_WIDTH - _LEFT) / len(drawn)
        parts.append(f'<circle cx="{left + 5:.0f}" cy="30" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{left + 13:.0f}" y="34" font-size="11">{escape(_SHORT.get(name, name))}</text>')
    return "\n".join(parts)


_SHORT = {"release, nothing read before": "release", "the next release": "the next", "follow its runs": "follow"}


def _decades(values: Sequence[float]) -> range:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return range(low, max(high, low + 1) + 1)


def _place(value: float, decades: range, start: float, end: float) -> float:
    share = (math.log10(value) - decades[0]) / (decades[-1] - decades[0])
    return start + share * (end - start)
