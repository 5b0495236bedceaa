"""The plots of the reports, each a `<figure>` with its title, its drawing as inline SVG and its caption.

Every plot names both axes. Colours are given by the names of the page's variables (`c1` to `c6`, `muted`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Affine2D

from yt8m.pages.page import OWN, fragment
from yt8m.pages.svg import COLOURS, RAMP, Drawing

BAR_HEIGHT = 24
LABEL_GAP = 5


@dataclass(frozen=True)
class Axis:
    """An axis: its label, how its values are written, its scale and its limits (None: by the data)."""

    label: str
    kind: Literal["number", "share", "name"] = "number"
    log: bool = False
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Line:
    """A line of a plot; an unnamed one is not in the legend."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: str = "c1"
    dashed: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Mark:
    """A point with a text below it, which begins (`left`) or ends (`right`) beside the point."""

    x: float
    y: float
    text: str
    align: Literal["left", "right"] = "left"
    dot: bool = True


@dataclass(frozen=True)
class Bars:
    """A bar for each name of the plot, and the text at its end (none: no text)."""

    name: str
    values: Sequence[float] | np.ndarray
    texts: Sequence[str] = ()
    colour: str = "c1"


@dataclass(frozen=True)
class Points:
    """Points of a scatter plot, each with the name that is shown when it is pointed at."""

    x: np.ndarray
    y: np.ndarray
    names: Sequence[str] = field(default_factory=list)
    colour: str = "c1"


@dataclass(frozen=True)
class Estimates:
    """A value with the ends of its interval for each name of the plot, the text beside it and its colour."""

    values: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    texts: Sequence[str]
    colours: Sequence[str]


def line_plot(
    title: str, x: Axis, y: Axis, lines: Sequence[Line], *, marks: Sequence[Mark] = (), caption: str = "",
    height: float = 340,
) -> Markup:  # fmt: skip
    """Lines over a common axis."""
    with Drawing(height=height) as drawing:
        _set_axes(drawing.axes, x, y)
        _add_lines(drawing.axes, lines)
        _add_marks(drawing.axes, marks)
        _add_legend(drawing, sum(bool(line.name) for line in lines))
        return _figure(drawing, title, caption)


def scatter_plot(
    title: str, x: Axis, y: Axis, points: Points, *, lines: Sequence[Line] = (), marks: Sequence[Mark] = (),
    caption: str = "", height: float = 420,
) -> Markup:  # fmt: skip
    """Named points, with lines (a trend) and notes over them."""
    with Drawing(height=height) as drawing:
        _set_axes(drawing.axes, x, y)
        if len(points.x):
            drawing.dots(points.x, points.y, points.names, points.colour)
        _add_lines(drawing.axes, lines)
        _add_marks(drawing.axes, marks)
        _add_legend(drawing, sum(bool(line.name) for line in lines))
        return _figure(drawing, title, caption)


def bar_plot(
    title: str, names: Sequence[str], value: Axis, groups: Sequence[Bars], *, category: str, caption: str = ""
) -> Markup:
    """Horizontal bars, one for each name and group, the first name on top; for names that need room."""
    height = 70 + len(names) * (BAR_HEIGHT * max(1, len(groups)) + 10) + 24 * (len(groups) > 1)
    with Drawing(height=height) as drawing:
        axes = drawing.axes
        for group, offset, thickness in _side_by_side(groups):
            places = np.arange(len(names)) + offset
            axes.barh(places, group.values, thickness, color=COLOURS[group.colour], label=group.name)
            for place, width, text in zip(places, group.values, group.texts, strict=False):
                _end_text(axes, text, (width, place), (LABEL_GAP, 0), ha="left", va="center")
        _set_axes(axes, value, Axis(category, "name"), grid="x")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.45, -0.55)
        _add_legend(drawing, len(groups))
        return _figure(drawing, title, caption)


def interval_plot(
    title: str, names: Sequence[str], value: Axis, estimates: Estimates, *, category: str, caption: str = ""
) -> Markup:
    """Values with their intervals as horizontal lines about 0, the first name on top; texts stand on the right."""
    with Drawing(height=80 + len(names) * (BAR_HEIGHT + 2)) as drawing:
        axes = drawing.axes
        axes.axvline(0, color=COLOURS["axis"], linewidth=1.2)
        rows = zip(estimates.values, estimates.lows, estimates.highs, estimates.texts, estimates.colours, strict=True)
        for place, (middle, low, high, text, colour) in enumerate(rows):
            axes.plot([low, high], [place, place], color=COLOURS[colour], linewidth=2.2)
            axes.plot([middle], [place], "o", color=COLOURS[colour], markersize=7)
            axes.annotate(
                text, (1, place), (LABEL_GAP, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                va="center", fontsize=10.5, color=COLOURS["muted"], annotation_clip=False,
            )  # fmt: skip
        _set_axes(axes, value, Axis(category, "name"), grid="x")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.45, -0.55)
        return _figure(drawing, title, caption)


def column_plot(
    title: str, names: Sequence[str], value: Axis, groups: Sequence[Bars], *, category: str, caption: str = "",
    height: float = 320,
) -> Markup:  # fmt: skip
    """Upright bars, one for each name and group, from left to right; for short names in an order."""
    with Drawing(height=height) as drawing:
        axes = drawing.axes
        for group, offset, thickness in _side_by_side(groups):
            places = np.arange(len(names)) + offset
            axes.bar(places, group.values, thickness, color=COLOURS[group.colour], label=group.name)
            for place, top, text in zip(places, group.values, group.texts, strict=False):
                _end_text(axes, text, (place, top), (0, LABEL_GAP - 1), ha="center", va="bottom")
        _set_axes(axes, Axis(category, "name"), value, grid="y")
        axes.set_xticks(range(len(names)), names)
        _add_legend(drawing, len(groups))
        return _figure(drawing, title, caption)


def histogram(
    title: str, x: Axis, y: Axis, edges: Sequence[float] | np.ndarray, counts: Sequence[float] | np.ndarray, *,
    caption: str = "", height: float = 280,
) -> Markup:  # fmt: skip
    """Counts between edges (one edge more than counts)."""
    edges = np.asarray(edges, dtype=np.float64)
    with Drawing(height=height) as drawing:
        _set_axes(drawing.axes, x, y, grid="y")
        width = np.diff(edges)
        drawing.axes.bar(edges[:-1], counts, 0.92 * width, align="edge", color=COLOURS["c1"])
        return _figure(drawing, title, caption)


def matrix_plot(
    title: str, rows: Sequence[str], columns: Sequence[str], values: np.ndarray, texts: Sequence[Sequence[str]], *,
    row_label: str, column_label: str, caption: str = "",
) -> Markup:  # fmt: skip
    """A heat map; `values` [rows, columns] in [0, 1] choose the shade, `texts` are written into the cells."""
    with Drawing(height=150 + 24 * len(rows)) as drawing:
        axes = drawing.axes
        _add_cells(axes, np.clip((np.asarray(values) * RAMP).astype(int), 0, RAMP - 1), texts)
        _set_axes(axes, Axis(column_label, "name"), Axis(row_label, "name"), grid=None)
        axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.spines[:].set_visible(False)
        return _figure(drawing, title, caption)


def _figure(drawing: Drawing, title: str, caption: str) -> Markup:
    return fragment(OWN, "figure.html", title=title, svg=drawing.svg(title), caption=caption)


def _side_by_side(groups: Sequence[Bars]) -> list[tuple[Bars, float, float]]:
    """Each group with the offset of its bars from the name's place, and their thickness."""
    thickness = 0.78 / max(1, len(groups))
    first = -thickness * (len(groups) - 1) / 2
    return [(group, first + i * thickness, thickness * 0.94) for i, group in enumerate(groups)]


def _end_text(axes: Axes, text: str, point: tuple[float, float], offset: tuple[float, float], ha: str, va: str) -> None:
    axes.annotate(
        text, point, offset, textcoords="offset points", ha=ha, va=va, fontsize=10.5, color=COLOURS["muted"],
        annotation_clip=False,
    )  # fmt: skip


def _add_cells(axes: Axes, shades: np.ndarray, texts: Sequence[Sequence[str]]) -> None:
    """One artist for the cells of a shade, and texts that the layout does not measure: they lie inside the axes."""
    for shade in np.unique(shades):
        cells = [Path.unit_rectangle().transformed(_cell(row, column)) for row, column in np.argwhere(shades == shade)]
        axes.add_artist(PathPatch(Path.make_compound_path(*cells), facecolor=COLOURS[f"h{shade}"], linewidth=0))
    for (row, column), shade in np.ndenumerate(shades):
        if texts[row][column]:
            ink = COLOURS["h-high" if shade > RAMP // 2 else "h-low"]
            text = axes.text(column, row, texts[row][column], color=ink, ha="center", va="center", fontsize=9.5)
            text.set_in_layout(False)


def _cell(row: int, column: int) -> Affine2D:
    return Affine2D().scale(0.96, 0.92).translate(column - 0.48, row - 0.46)


def _set_axes(axes: Axes, x: Axis, y: Axis, grid: Literal["x", "y", "both"] | None = "both") -> None:
    axes.set_xlabel(x.label)
    axes.set_ylabel(y.label)
    if grid:
        axes.grid(axis=grid)
    if x.log:
        axes.set_xscale("log")
    if y.log:
        axes.set_yscale("log")
    if x.limits:
        axes.set_xlim(*x.limits)
    if y.limits:
        axes.set_ylim(*y.limits)
    for axis, settings in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_tick_params(length=0, pad=6, which="both")
        if settings.kind != "name":
            axis.set_major_formatter(FuncFormatter(_share_text if settings.kind == "share" else _number_text))
            axis.set_major_locator(LogLocator() if settings.log else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
            axis.set_minor_locator(NullLocator())


def _share_text(value: float, _: object) -> str:
    return f"{100 * value:g} %"


def _number_text(value: float, _: object) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:g}"


def _add_lines(axes: Axes, lines: Sequence[Line]) -> None:
    for line in lines:
        axes.plot(
            line.x, line.y, color=COLOURS[line.colour], linewidth=1.4 if line.dashed else 2.2,
            linestyle=(0, (4, 3)) if line.dashed else "solid", label=line.name or "_",
            marker="o" if line.marked else None, markersize=5,
        )  # fmt: skip


def _add_marks(axes: Axes, marks: Sequence[Mark]) -> None:
    for mark in marks:
        if mark.dot:
            axes.plot([mark.x], [mark.y], "o", color=COLOURS["ink"], markersize=5)
        sign = 1 if mark.align == "left" else -1
        axes.annotate(
            mark.text, (mark.x, mark.y), (8 * sign, -6), textcoords="offset points", ha=mark.align, va="top",
            fontsize=10.5, bbox={"facecolor": COLOURS["surface"], "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
        )  # fmt: skip


def _add_legend(drawing: Drawing, entries: int) -> None:
    if entries > 1:
        drawing.figure.legend(loc="outside upper left", ncols=entries, handlelength=1.4, columnspacing=1.6, borderpad=0)
