"""Matplotlib figures as inline SVG: text stays text, colours follow the page, the same data give the same bytes.

The SVG is matplotlib's own, but for its head, which is as HTML wants it, and the ids of its groups, which would be the
same in every figure of a page; the page's style sheet gives it its size and font. Figures are drawn with sentinel
colours, a colour that nobody would choose for each variable of that sheet, which are then replaced by `var(--name)`:
one drawing serves light and dark. No global state of pyplot is used.
"""

import io
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.figure import Figure

RAMP = 8
VARIABLES = (
    "ink", "muted", "grid", "axis", "surface", "h-low", "h-high",
    *(f"c{i}" for i in range(1, 7)), *(f"h{i}" for i in range(RAMP)),
)  # fmt: skip
COLOURS = {name: f"#a1b2{40 + 3 * i:02x}" for i, name in enumerate(VARIABLES)}
STYLE = {
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans"],
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

    def __enter__(self) -> "Drawing":
        self._settings.__enter__()
        width, height = self._size
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained", facecolor="none")
        FigureCanvasSVG(self.figure)
        self.axes: Axes = self.figure.add_subplot()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._settings.__exit__(*exc)

    def dots(self, x: np.ndarray, y: np.ndarray, names: Sequence[str], colour: str) -> None:
        """Points that show their name when pointed at; far smaller than matplotlib's own markers."""
        points = np.column_stack([x, y])
        self.axes.update_datalim(points)
        self.axes.autoscale_view()
        self.axes.add_artist(_Dots(points, names, colour))

    def svg(self, title: str) -> Markup:
        """The SVG element, with its title for screen readers; deterministic."""
        buffer = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": title}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            renderer = _Renderer(*self._size, buffer, metadata=NO_METADATA)
            self.figure.draw(renderer)
            renderer.finalize()
        body = buffer.getvalue().partition("<svg")[2].partition(">")[2]
        for name, colour in COLOURS.items():
            body = body.replace(f": {colour}", f": var(--{name})")
        name, (width, height) = escape(title), self._size
        return Markup(
            f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{name}">\n<title>{name}</title>{body}'
        )


class _Renderer(RendererSVG):
    def open_group(self, s: str, gid: str | None = None) -> None:
        self.writer.start("g")


class _Dots(Artist):
    """A circle with a title for each point."""

    zorder = 2  # as lines, over the grid

    def __init__(self, points: np.ndarray, names: Sequence[str], colour: str):
        super().__init__()
        self._points, self._names, self._colour = points, names, colour

    def draw(self, renderer: Any) -> None:
        writer, places = renderer.writer, self.get_transform().transform(self._points)
        writer.start("g", attrib={"class": "dots", "style": f"fill: {COLOURS[self._colour]}; fill-opacity: 0.55"})
        for (x, y), name in zip(places, self._names, strict=True):
            writer.start("circle", cx=f"{x:.1f}", cy=f"{renderer.height - y:.1f}", r="3")
            writer.element("title", text=name)
            writer.end("circle")
        writer.end("g")
