"""What every page shares: text of others is text, times and numbers can be read, files are kept by browsers."""

import re

import pytest
from markupsafe import Markup

from service.console.assets import asset_path
from service.console.pages import count, lines, moment, own, span
from tests.support.api_fixture import ApiFixture
from tests.unit.console.conftest import signed_in

HOSTILE = "<script>alert('1')</script>\u202egnp.exe\x1b[2J\u2066\u200b"
_VISIBLE = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\\u202egnp.exe\\x1b[2J\\u2066\\u200b"


def test_text_of_others_is_isolated() -> None:
    assert own(HOSTILE) == f"<bdi>{_VISIBLE}</bdi>"
    assert own("שלום") == "<bdi>שלום</bdi>"
    assert len(own("x" * 100_000)) < 500


def test_lines_keep_their_ends_and_nothing_else() -> None:
    assert lines(f"a\n\tb{HOSTILE}") == f"a\n    b{_VISIBLE}"


def test_a_template_cannot_forget_it(api: ApiFixture) -> None:
    """Each value is made visible and escaped, whether it passes through a filter or not."""
    pages = api.app.state.console.pages
    template = pages._environment.from_string('{{ text }}<a href="{{ text }}">{{ markup }}')
    assert template.render(text=HOSTILE, markup=Markup("<b>")) == f'{_VISIBLE}<a href="{_VISIBLE}"><b>'


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (600, "10 min"),
        (3700, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations(duration_s: float, text: str) -> None:
    assert span(duration_s) == text


def test_moments() -> None:
    """Relative, in one unit, with the time itself beside it; a time in the future says so."""
    assert (
        moment(1_700_000_000_000, 1_700_000_065_000)
        == '<time title="2023-11-14 22:13:20 UTC">1 min ago</time>'
    )
    assert ">in 2 h<" in moment(1_700_007_300_000, 1_700_000_000_000)
    assert ">now<" in moment(1_700_000_000_000, 1_700_000_000_400)
    assert moment(None, 1) == moment(0, 1) == ""
    assert "9" * 18 in moment(int("9" * 18), 1)


def test_counts() -> None:
    assert (count(1, "dead letter"), count(1200, "dead letter")) == ("1 dead letter", "1,200 dead letters")
    assert count(2, "delivery", "deliveries") == "2 deliveries"


@pytest.mark.parametrize(
    "name", ["htmx.js", "uplot.js", "uplot.css", "console.css", "console.js", "bell.svg"]
)
async def test_files_are_kept_for_ever(api: ApiFixture, name: str) -> None:
    """By an address that names their content; a page of another version still gets them, and does not keep them."""
    response = await api.client.get(asset_path(name))
    assert response.status_code == 200
    assert "immutable" in response.headers["cache-control"]
    old = await api.client.get(f"/console/assets/0123456789abcdef/{name}")
    assert (old.content, old.headers["cache-control"]) == (response.content, "no-cache")
    assert (await api.client.get("/console/assets/x/..%2fpages.py")).status_code == 404


async def test_pages_name_files_that_exist(api: ApiFixture) -> None:
    signed_in(api)
    for path in ("/console", "/console/tail", "/console/dead-letters"):
        page = (await api.client.get(path)).text
        files = re.findall(r'(?:src|href)="(/console/assets/[^"]+)"', page)
        assert len(files) >= 4
        for file in files:
            assert (await api.client.get(file)).status_code == 200, file


async def test_a_path_prefix(api: ApiFixture) -> None:
    """Behind a proxy that adds a prefix, every link has it."""
    signed_in(api)
    api.app.middleware_stack._root_path = "/notify"
    page = (await api.client.get("/notify/console/search")).text
    links = re.findall(r'(?:src|href|action|hx-get)="(/[^"]+)"', page)
    assert links
    assert all(link.startswith("/notify/console") for link in links)
    assert 'aria-current="page">Search' in page
