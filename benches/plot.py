"""The plot: cost against number, both logarithmic, as one SVG per run. A straight line of slope 1 is what we want."""

import math
from html import escape

from house import fit

WIDTH, HEIGHT, LEFT, TOP, GAP = 470, 360, 70, 60, 90
COLOURS = ["#666666", "#1f77b4", "#2ca02c", "#d62728", "#9467bd", "#ff7f0e", "#17becf"]


def write(path, series, title):
    """One panel for each row that has curves."""
    rows = list(dict.fromkeys(s["row"] for s in series))
    parts = [text(LEFT, 22, title, 12)]
    for index, row in enumerate(rows):
        panel(parts, LEFT + index * (WIDTH + GAP), row, [s for s in series if s["row"] == row])
    width, height = LEFT + len(rows) * (WIDTH + GAP), TOP + HEIGHT + 60
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def panel(parts, left, row, series):
    points = [p for s in series for p in s["points"] if p[1] > 0]
    if not points:
        return
    xs, ys = decades([p[0] for p in points]), decades([p[1] for p in points])
    at = lambda n, cost: (left + place(n, xs) * WIDTH, TOP + HEIGHT - place(cost, ys) * HEIGHT)
    parts.append(f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>')
    parts.append(text(left, TOP - 10, f"{row}: part of a core against number", 13))
    for decade in range(xs[0], xs[1] + 1):
        x, _ = at(10**decade, 10 ** ys[0])
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + HEIGHT}" stroke="#eee"/>')
        parts.append(text(x, TOP + HEIGHT + 18, f"{10**decade}", 11, "middle"))
    for decade in range(ys[0], ys[1] + 1):
        _, y = at(10 ** xs[0], 10**decade)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + WIDTH}" y2="{y:.1f}" stroke="#eee"/>')
        parts.append(text(left - 6, y + 4, f"{10.0 ** (decade + 2):g} %", 11, "end"))
    for index, one in enumerate(series):
        curve(parts, at, one, COLOURS[index % len(COLOURS)])
        label = f"{one['name']}: exponent {one['exponent']:.3f}"
        parts.append(text(left + 12, TOP + 20 + 17 * index, label, 12, colour=COLOURS[index % len(COLOURS)]))


def curve(parts, at, one, colour):
    points = sorted(p for p in one["points"] if p[1] > 0)
    exponent, factor = fit(points)
    (x1, y1), (x2, y2) = (at(n, factor * n**exponent) for n in (points[0][0], points[-1][0]))
    parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-dasharray="4 3"/>')
    for n, cost in points:
        x, y = at(n, cost)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')


def decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def place(value, ends):
    return (math.log10(value) - ends[0]) / (ends[1] - ends[0])


def text(x, y, words, size, anchor="start", colour="#222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
