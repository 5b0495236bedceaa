import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from yt8m.pages.svg import COLOURS, Drawing

EVIL = "<script>$x_1$ & #a1b228</script>"


def draw(title="A plot", label="label"):
    with Drawing() as drawing:
        drawing.axes.plot([1.0, 2.0], [3.0, 4.0], color=COLOURS["c1"], marker="o")
        drawing.axes.set_xlabel(label)
        drawing.axes.text(1.5, 3.5, "3.14159265", color=COLOURS["muted"])
        drawing.dots(np.array([1.0, 2.0]), np.array([3.0, 4.0]), [label, "second"], "c2")
        return drawing.svg(title)


def test_text_stays_text():
    svg = draw(label="a label")
    assert ">a label</text>" in svg
    assert ">3.14159265</text>" in svg


def test_text_is_escaped_and_no_formula():
    svg = draw(title=EVIL, label=EVIL)
    assert "<script" not in svg
    assert svg.count("&lt;script&gt;$x_1$ &amp; #a1b228&lt;/script&gt;") == 4


def test_colours_are_variables_of_the_page():
    svg = draw()
    assert {"var(--c1)", "var(--c2)", "var(--muted)", "var(--ink)"} <= set(re.findall(r"var\([^)]*\)", svg))
    assert not re.search(r"#[0-9a-f]{6}\b", svg)


def test_it_has_a_title_for_screen_readers():
    svg = draw(title='What "it" shows')
    assert 'role="img" aria-label="What &#34;it&#34; shows"' in svg
    assert "<title>What &#34;it&#34; shows</title>" in svg


def test_same_data_same_bytes():
    assert draw() == draw()


def test_references_resolve_and_differ_between_plots():
    first, second = draw(), draw(title="Another plot")
    for svg in (first, second):
        ids = re.findall(r'id="([^"]+)"', svg)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg)) <= set(ids)
    assert not set(re.findall(r'id="([^"]+)"', first)) & set(re.findall(r'id="([^"]+)"', second))


def test_dots_stand_where_matplotlib_puts_markers():
    points = np.array([[1.0, 3.0], [1.4, 3.9], [2.0, 3.2]])
    with Drawing() as drawing:
        drawing.axes.plot(points[:, 0], points[:, 1], "o", color=COLOURS["c1"])
        drawing.dots(points[:, 0], points[:, 1], ["a", "b", "c"], "c2")
        svg = drawing.svg("Points")
    markers = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="fill: var\(--c1\)', svg)
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)
    np.testing.assert_allclose(np.array(circles, float), np.array(markers, float), atol=0.06)


def test_settings_hold_only_while_drawing():
    before = dict(matplotlib.rcParams)
    draw()
    with pytest.raises(RuntimeError), Drawing():
        raise RuntimeError
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported():
    code = "import yt8m.data.rebalance.statistics_page, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
