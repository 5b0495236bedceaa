import re
from html.parser import HTMLParser

import pytest
from markupsafe import Markup

from yt8m.pages.page import Column, Section, Tile, count, decimal, page, share, table

EVIL = "<script>alert('x')</script> & \"quotes\""
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Balance(HTMLParser):
    """Collects the tags and checks that each is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.data = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.data.append(data)


def full_page(text=EVIL, **options):
    columns = [Column(text, hint=text), Column("Number", numeric=True), Column("Text", wide=True)]
    body = table(columns, [[text, count(1234), text], [text, share(None), text]], caption=text)
    sections = [Section(text, text, [body]), Section("Second"), Section("Third")]
    settings = {
        "subtitle": text,
        "tiles": [Tile(text, text, text)],
        "summary": [text],
        "provenance": {text: text},
        **options,
    }
    return page(text, sections, **settings)


def test_everything_from_data_is_escaped():
    html = full_page()
    parsed = Balance(html)
    assert parsed.tags.count("script") == 1
    assert "alert('x')</script>" not in html
    assert sum(EVIL in text for text in parsed.data) >= 12


def test_markup_parts_pass():
    assert "<b>bold</b>" in page("Title", [Section("One", "", [Markup("<b>bold</b>")])])


def test_page_needs_nothing_else():
    html = full_page("plain")
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(|src=", html)
    assert set(re.findall(r'href="([^"]*)"', html)) == {"#s1", "#s2", "#s3"}


def test_simulated_frames_are_announced():
    assert "Simulated frames." in full_page(simulated=True)
    assert "Simulated frames." not in full_page(simulated=False)


def test_same_content_same_bytes():
    assert full_page() == full_page()


def test_versions_are_in_the_foot():
    foot = full_page().partition("<footer>")[2]
    assert "NumPy" in foot
    assert "Python" in foot


def test_light_and_dark_define_the_same_colours():
    html = full_page()
    light, dark = re.findall(r":root \{(.*?)\}", html, flags=re.DOTALL)
    colours = set(re.findall(r"(--[\w-]+):", light))
    assert colours == set(re.findall(r"(--[\w-]+):", dark))
    assert set(re.findall(r"var\((--[\w-]+)\)", html)) <= colours


def test_few_sections_have_no_contents():
    assert "<nav" not in page("Title", [Section("One"), Section("Two")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (count(1234567), "1,234,567"),
        (count(12.6), "13"),
        (share(0.1234), "12.3\N{NO-BREAK SPACE}%"),
        (share(0.1234, 0), "12\N{NO-BREAK SPACE}%"),
        (share(None), "–"),
        (decimal(0.12345), "0.123"),
        (decimal(float("nan")), "–"),
    ],
)
def test_number_texts(text, expected):
    assert text == expected
