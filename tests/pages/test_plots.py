import re

import numpy as np
import pytest

from yt8m.pages.plots import (
    Axis,
    Bars,
    Estimates,
    Line,
    Mark,
    Points,
    bar_plot,
    column_plot,
    histogram,
    interval_plot,
    line_plot,
    matrix_plot,
    scatter_plot,
)

X, Y = Axis("the x axis"), Axis("the y axis", "share")
BARS = [Bars("ours", [0.2, 0.4], ["20 %", "40 %"]), Bars("theirs", [0.1, 0.3], ["10 %", "30 %"], "c2")]
PLOTS = {
    "line": lambda: line_plot("Title", X, Y, [Line("a line", [0, 1], [0, 1])], caption="Caption"),
    "scatter": lambda: scatter_plot(
        "Title", X, Y, Points(np.array([1.0]), np.array([0.5]), ["a point"]), caption="Caption"
    ),
    "bar": lambda: bar_plot("Title", ["one", "two"], X, BARS, category="the y axis", caption="Caption"),
    "column": lambda: column_plot("Title", ["one", "two"], Y, BARS, category="the x axis", caption="Caption"),
    "interval": lambda: interval_plot(
        "Title", ["one", "two"], X, Estimates([0.1, -0.2], [0, -0.3], [0.2, -0.1], ["better", "worse"], ["c3", "c5"]),
        category="the y axis", caption="Caption",
    ),
    "histogram": lambda: histogram("Title", X, Y, [0, 1, 2], [0.5, 0.7], caption="Caption"),
    "matrix": lambda: matrix_plot(
        "Title", ["r"], ["c"], np.array([[0.9]]), [["90"]], row_label="the y axis", column_label="the x axis",
        caption="Caption",
    ),
}  # fmt: skip


def texts(figure):
    return re.findall(r"<text[^>]*>([^<]*)</text>", figure)


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_every_plot_names_its_axes_and_has_title_and_caption(plot):
    figure = plot()
    assert {"the x axis", "the y axis"} <= set(texts(figure))
    assert '<p class="plot-title">Title</p>' in figure
    assert 'role="img" aria-label="Title"' in figure
    assert "<figcaption>Caption</figcaption>" in figure
    assert re.search(r"<title[^>]*>Title</title>", figure)
    assert figure == plot()


def test_legend_only_for_several_lines():
    one = line_plot("T", X, Y, [Line("first", [0, 1], [0, 1])])
    two = line_plot("T", X, Y, [Line("first", [0, 1], [0, 1]), Line("second", [0, 1], [1, 0], "c2", dashed=True)])
    assert "first" not in texts(one)
    assert {"first", "second"} <= set(texts(two))


def test_marks_and_share_ticks_are_written():
    figure = line_plot("T", X, Y, [Line("", [0, 1], [0, 1])], marks=[Mark(0.5, 0.5, "half way")])
    assert {"half way", "20 %", "100 %"} <= set(texts(figure))


def test_points_carry_their_names():
    names = ["<b>", "$2"]
    figure = scatter_plot("T", Axis("x", log=True), Y, Points(np.array([1.0, 100.0]), np.array([0.1, 0.9]), names))
    assert re.findall(r"<circle[^>]*>\s*<title>(.*?)</title>", figure) == ["&lt;b&gt;", "$2"]


def test_a_scatter_plot_without_points_is_empty_but_whole():
    figure = scatter_plot("T", X, Y, Points(np.empty(0), np.empty(0)))
    assert "<circle" not in figure
    assert "the x axis" in texts(figure)


def test_bars_show_names_values_and_groups():
    assert {"one", "two", "20 %", "30 %", "ours", "theirs"} <= set(texts(PLOTS["bar"]()))


def test_matrix_shades_by_value():
    values = np.array([[0.0, 1.0]])
    figure = matrix_plot("T", ["r"], ["a", "b"], values, [["0", "100"]], row_label="r", column_label="c")
    assert {"var(--h0)", "var(--h7)"} <= set(re.findall(r"var\(--h\d\)", figure))
    assert {"0", "100"} <= set(texts(figure))


def test_intervals_have_their_texts_and_colours():
    estimates = Estimates([0.1, -0.2], [0.05, -0.3], [0.15, -0.1], ["a verdict", "another"], ["c3", "c5"])
    figure = interval_plot("T", ["one", "two"], X, estimates, category="part")
    assert {"one", "two", "a verdict", "another"} <= set(texts(figure))
    assert "var(--c3)" in figure
    assert "var(--c5)" in figure
