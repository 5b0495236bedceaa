"""A page of a report: one HTML file that needs nothing else, readable in a sandboxed frame, in light and dark.

Everything that comes from data is escaped: the templates escape by default, and only what this package made itself
(tables, plots, fragments) is passed on as markup. Tables can be sorted where scripts run and read well where not.
"""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from yt8m import __version__

OWN = "yt8m.pages"
NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Section:
    """A part of a page: what it shows in a sentence or two, then its tables and figures in reading order."""

    title: str
    lead: str = ""
    parts: Sequence[Markup] = ()


@dataclass(frozen=True)
class Tile:
    """A key figure at the top of a page."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table: numeric ones are set flush right, wide ones get room. The hint is shown over the head."""

    title: str
    numeric: bool = False
    hint: str = ""
    wide: bool = False


def page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    tiles: Sequence[Tile] = (),
    summary: Sequence[str] = (),
    simulated: bool = False,
    provenance: Mapping[str, str] | None = None,
) -> str:
    """The whole page as HTML.

    Args:
        title: also the title of the browser's tab.
        sections: in reading order; more than two get a table of contents.
        subtitle: what was looked at, in a line.
        tiles: key figures, shown first.
        summary: the findings, a plain sentence each.
        simulated: whether frames were simulated; the page then says so on top.
        provenance: names and values for the foot of the page, e.g. fingerprints; versions are added.
    """
    return fragment(
        OWN, "page.html", title=title, subtitle=subtitle, tiles=tiles, summary=summary, sections=sections,
        simulated=simulated, provenance={**(provenance or {}), **versions()},
    )  # fmt: skip


def table(columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, caption: str = "") -> Markup:
    """A table that can be sorted by any column.

    Cells are texts (escaped) or markup. Numbers are passed as formatted texts; thousands separators and percent signs
    do not disturb the sorting.
    """
    return fragment(OWN, "table.html", columns=columns, rows=list(rows), caption=caption)


def fragment(package: str, template: str, **context: Any) -> Markup:
    """A template of a package's `templates` folder, filled in; values are escaped unless they are markup."""
    return Markup(_environment(package).get_template(template).render(context))


def versions() -> dict[str, str]:
    """What made the page, for its foot."""
    return {"yt8m": __version__, "Python": platform.python_version(), "NumPy": np.__version__}


def count(number: float) -> str:
    """`12345` as `12,345`."""
    return f"{number:,.0f}"


def share(value: float | None, digits: int = 1) -> str:
    """`0.1234` as `12.3 %`, kept on one line; a dash when there is none."""
    return "–" if value is None or np.isnan(value) else f"{100 * value:.{digits}f}{NO_BREAK}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """`0.12345` as `0.123`; a dash when there is none."""
    return "–" if value is None or np.isnan(value) else f"{value:.{digits}f}"


@cache
def _environment(package: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(count=count, share=share, decimal=decimal)
    return environment
