"""Matplotlib figures as inline SVG: text stays text, colours follow the page, the same data give the same bytes.

Figures are drawn with sentinel colours, a colour that nobody would choose for each variable of the page's style
sheet, which are then replaced by `var(--name)`: one drawing serves light and dark. No global state of pyplot is used.
"""

import io
import re
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from yt8m.artifacts import fingerprint

RAMP = 8
VARIABLES = (
    "ink", "muted", "grid", "axis", "surface", "h-low", "h-high",
    *(f"c{i}" for i in range(1, 7)), *(f"h{i}" for i in range(RAMP)),
)  # fmt: skip
COLOURS = {name: f"#a1b2{40 + 3 * i:02x}" for i, name in enumerate(VARIABLES)}
DOTS = "dots"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "yt8m",
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "font.size": 11,
    "axes.edgecolor": COLOURS["axis"],
    "axes.facecolor": "none",
    "axes.labelcolor": COLOURS["muted"],
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["axis"],
    "ytick.color": COLOURS["axis"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "legend.frameon": False,
    "legend.fontsize": 11,
}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


class Drawing:
    """A figure under construction: draw on `axes`, then take `svg(title)`.

    Args:
        width, height: in CSS pixels at the page's full width.

    Use as a context manager, so that matplotlib's settings are the page's while drawing, and only then.
    """

    def __init__(self, width: float = 760, height: float = 340):
        self._settings = matplotlib.rc_context(STYLE)  # type: ignore[arg-type]
        self._size = width, height
        self._dots: list[Any] = []

    def __enter__(self) -> "Drawing":
        self._settings.__enter__()
        width, height = self._size
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained", facecolor="none")
        self.axes: Axes = self.figure.add_subplot()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._settings.__exit__(*exc)

    def dots(self, x: np.ndarray, y: np.ndarray, names: Sequence[str], colour: str) -> None:
        """Points that show their name when pointed at; far smaller than matplotlib's own markers."""
        self.axes.plot(x, y, linestyle="none", marker="o", gid=f"{DOTS}{len(self._dots)}")
        self._dots.append((np.column_stack([x, y]), names, colour))

    def svg(self, title: str) -> Markup:
        """The SVG element, with its title for screen readers; deterministic."""
        buffer = io.StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            FigureCanvasSVG(self.figure).print_svg(buffer, metadata=NO_METADATA)
        body = _body(buffer.getvalue())
        for number, dots in enumerate(self._dots):
            before, after = _around(rf'<g id="{DOTS}{number}">.*?</g>\s*</g>', body)
            body = before + self._circles(*dots) + after
        mark = "t" + fingerprint([title, body])[:8]
        width, height = self._size
        return Markup(
            f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{mark}">'
            f'<title id="{mark}">{escape(title)}</title>\n{_plain(body, mark)}'
        )

    def _circles(self, points: np.ndarray, names: Sequence[str], colour: str) -> str:
        places = self.axes.transData.transform(points)
        circles = "".join(
            f'<circle cx="{x:.1f}" cy="{self._size[1] - y:.1f}" r="3"><title>{escape(name)}</title></circle>'
            for (x, y), name in zip(places, names, strict=True)
        )
        return f'<g class="{DOTS}" fill="{COLOURS[colour]}" fill-opacity="0.55">{circles}</g>'


def _body(document: str) -> str:
    """What follows the opening tag of the SVG, without the style sheet (it would style the whole page)."""
    _, body = _around(r"<svg[^>]*>", document)
    return "".join(_around(r"<defs>\s*<style.*?</defs>\s*", body))


def _around(pattern: str, text: str) -> tuple[str, str]:
    match = re.search(pattern, text, flags=re.DOTALL)
    if match is None:
        raise ValueError(f"matplotlib's SVG has no {pattern}")
    return text[: match.start()], text[match.end() :]


def _plain(body: str, mark: str) -> str:
    """Markup for a page: ids of its own for what is referred to, none for the rest, the page's fonts and colours."""
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    return re.sub(r"<[^>]*>", lambda match: _plain_tag(match.group(0), used, mark), body)


def _plain_tag(tag: str, used: set[str], mark: str) -> str:
    tag = re.sub(r' id="([^"]*)"', lambda match: match.group(0) if match.group(1) in used else "", tag)
    tag = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{mark}-", tag.replace("xlink:href", "href"))
    tag = re.sub(r"font-family: [^;\"]*; ?", "", tag)
    tag = re.sub(r' transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match.group(0)):.2f}".rstrip("0").rstrip("."), tag)
    return _variables(re.sub(r"\s+", " ", tag))


def _variables(tag: str) -> str:
    for name, colour in COLOURS.items():
        if colour in tag:
            tag = tag.replace(colour, f"var(--{name})")
    return tag
