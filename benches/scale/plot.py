"""Line charts as SVG text: logarithmic or linear axes, direct labels, readable on light and dark.

Absent: what is drawn (`figures`). No libraries, so that the same Python draws everywhere. A label
stands at the end of its line and is moved up or down where labels would cover each other.
"""

import math

WIDTH, HEIGHT = 860, 470
LEFT, RIGHT, TOP, BOTTOM = 78, 232, 74, 58
LABEL_GAP = 17
LIGHT = ["#0b62a8", "#b3470c", "#1c7a4d", "#8a3a8f", "#7a5c00", "#b3123f", "#3d4a57", "#00777f"]
DARK = ["#6db6f2", "#f09a5d", "#5fcf98", "#d792dd", "#d9b944", "#f2809f", "#b4c2d0", "#4fd0d8"]
MARKS = ["circle", "square", "diamond", "triangle", "down", "ring", "cross", "plus"]
STYLE = """
svg { --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --rule: #d8dee4; %s }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9aa4af; --rule: #2b323b; %s }
}
text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink) }
.title { font-size: 17px; font-weight: 600 }
.soft { fill: var(--soft) }
.rule { stroke: var(--rule); stroke-width: 1 }
.axis { stroke: var(--soft); stroke-width: 1 }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round }
.lead { stroke-width: 1; opacity: .55 }
"""


class Axis:
    """Values to places between two ends."""

    def __init__(self, low, high, start, end, logarithmic):
        self.low, self.high, self.start, self.end = low, high, start, end
        self.logarithmic = logarithmic

    def at(self, value):
        of = (lambda v: math.log10(v)) if self.logarithmic else (lambda v: v)
        part = (of(value) - of(self.low)) / (of(self.high) - of(self.low))
        return self.start + part * (self.end - self.start)

    def ticks(self):
        if not self.logarithmic:
            step = nice_step(self.high - self.low)
            count = int((self.high - self.low) / step + 1e-9)
            return [self.low + step * n for n in range(count + 1)]
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        decades = [10.0 ** n for n in range(first, last + 1)]
        if last - first <= 2:
            decades = [base * part for base in decades for part in (1, 2, 5)]
        return [v for v in decades if self.low * 0.999 <= v <= self.high * 1.001]


def nice_step(span):
    rough = span / 6
    base = 10 ** math.floor(math.log10(rough))
    return next(base * part for part in (1, 2, 2.5, 5, 10) if base * part >= rough)


def bounds(values, logarithmic):
    if not logarithmic:
        high = max(values) * 1.06
        step = nice_step(high)
        return 0, math.ceil(high / step) * step
    low, high = math.log10(min(values)), math.log10(max(values))
    parts = [math.log10(part) for part in (1, 2, 5, 10)]

    def down(value):
        return math.floor(value) + max(p for p in parts if p <= value % 1 + 1e-9)

    def up(value):
        return math.floor(value) + min(p for p in parts if p >= value % 1 - 1e-9)
    return 10 ** down(low - 0.05), 10 ** up(high + 0.05)


def short(value):
    """1 k, 30 k, 1 M: what an axis says."""
    for size, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{name}"
    return f"{value:g}"


def mark(kind, x, y, color):
    fill = f'fill="{color}"'
    stroke = f'stroke="{color}" stroke-width="2" fill="none"'
    return {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {fill}/>',
        "ring": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" stroke="{color}" stroke-width="2"'
                ' fill="var(--paper)"/>',
        "square": f'<rect x="{x - 3.8:.1f}" y="{y - 3.8:.1f}" width="7.6" height="7.6" {fill}/>',
        "diamond": f'<path d="M{x:.1f} {y - 5.2:.1f}l5.2 5.2-5.2 5.2-5.2-5.2z" {fill}/>',
        "triangle": f'<path d="M{x:.1f} {y - 5:.1f}l5 8.6h-10z" {fill}/>',
        "down": f'<path d="M{x:.1f} {y + 5:.1f}l5-8.6h-10z" {fill}/>',
        "cross": f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8" {stroke}/>',
        "plus": f'<path d="M{x:.1f} {y - 5:.1f}v10m-5-5h10" {stroke}/>',
    }[kind]


def spread(places, low, high):
    """Places of labels, moved apart as little as needed, in the order of their lines."""
    order = sorted(range(len(places)), key=lambda n: places[n])
    moved = [places[n] for n in order]
    for _ in range(200):
        for n in range(1, len(moved)):
            overlap = LABEL_GAP - (moved[n] - moved[n - 1])
            if overlap > 0:
                moved[n - 1] -= overlap / 2
                moved[n] += overlap / 2
        if moved:
            shift = max(low - moved[0], 0) or min(high - moved[-1], 0)
            moved = [place + shift for place in moved]
    result = [0.0] * len(places)
    for place, n in zip(moved, order):
        result[n] = place
    return result


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def chart(title, subtitle, x_name, y_name, series, y_log=True, x_values=None):
    """A chart of [(label, [(x, y), ...])] over a logarithmic x."""
    series = [(name, [p for p in points if p[1] is not None]) for name, points in series]
    series = [(name, points) for name, points in series if points]
    xs = sorted(x_values or {x for _, points in series for x, _ in points})
    ys = [y for _, points in series for _, y in points]
    bottom = HEIGHT - BOTTOM
    x_axis = Axis(xs[0], xs[-1], LEFT, WIDTH - RIGHT, True)
    y_axis = Axis(*bounds(ys, y_log), bottom, TOP, y_log)
    variables = [" ".join(f"--c{n}: {color};" for n, color in enumerate(colors))
                 for colors in (LIGHT, DARK)]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(title)}">',
           f"<title>{escape(title)}</title>", f"<style>{STYLE % tuple(variables)}</style>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="var(--paper)"/>',
           f'<text class="title" x="18" y="28">{escape(title)}</text>',
           f'<text class="soft" x="18" y="49">{escape(subtitle)}</text>']
    for value in y_axis.ticks():
        y = y_axis.at(value)
        out.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
                   f'y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                   f"{short(round(value, 9))}</text>")
    for value in xs:
        x = x_axis.at(value)
        out.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" '
                   f'y2="{bottom + 5}"/>')
        out.append(f'<text class="soft" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">'
                   f"{short(value)}</text>")
    out.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" '
               f'y2="{bottom}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">'
               f"{escape(x_name)}, logarithmic</text>")
    height = (TOP + bottom) / 2
    out.append(f'<text x="20" y="{height}" text-anchor="middle" '
               f'transform="rotate(-90 20 {height})">{escape(y_name)}'
               f'{", logarithmic" if y_log else ""}</text>')
    out += lines(series, x_axis, y_axis, bottom)
    return "\n".join(out + ["</svg>"]) + "\n"


def lines(series, x_axis, y_axis, bottom):
    out = []
    ends = [y_axis.at(points[-1][1]) for _, points in series]
    labels = spread(ends, TOP, bottom)
    for n, (name, points) in enumerate(series):
        color, kind = f"var(--c{n % len(LIGHT)})", MARKS[n % len(MARKS)]
        places = [(x_axis.at(x), y_axis.at(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline class="line" stroke="{color}" points="{path}"/>')
        out += [mark(kind, x, y, color) for x, y in places]
        x, y = places[-1]
        out.append(f'<line class="lead" stroke="{color}" x1="{x + 6:.1f}" y1="{y:.1f}" '
                   f'x2="{WIDTH - RIGHT + 16}" y2="{labels[n]:.1f}"/>')
        # The colour is an attribute of its own: the style sheet's would win over a plain one.
        out.append(f'<text x="{WIDTH - RIGHT + 20}" y="{labels[n] + 4:.1f}" '
                   f'style="fill: {color}">{escape(name)}</text>')
    return out
