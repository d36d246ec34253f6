"""The gallery reports broken pages, and no sample email."""

import asyncio

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.settings import Settings, templates_directory
from tests.support.gallery import View, chromium, find_faults, open_page, render_samples

LONG = "<p>A paragraph that is long enough to count as something that can be read.</p>"
BROKEN = {
    "px too wide": f"{LONG}<table width=700><tr><td>wide</td></tr></table>",
    "has contrast": f"{LONG}<p style='color:#eee'>pale</p>",
    "runs out of the page": f"<body style='overflow-x:hidden'>{LONG}<p style='position:absolute;left:350px'>cut</p>",
    "characters can be seen": f"<p>Short.</p><div style='display:none'>{LONG}</div>",
    "small": f"{LONG}<p style='font-size:6px'>tiny</p>",
}


def check_all() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the faults of the broken pages, and those of some sample emails in the narrowest and darkest view."""
    catalogue = load_catalogue(templates_directory())
    samples = render_samples(catalogue, Settings(), "de")
    with chromium() as browser:
        with open_page(browser, View("en", 360, "light")) as page:
            broken = {name: find_faults(page, html) for name, html in BROKEN.items()}
        with open_page(browser, View("de", 360, "dark")) as page:
            good = {name: find_faults(page, samples[name]) for name in list(samples)[::8]}
    return broken, good


async def test_broken_pages_are_reported_and_samples_are_not() -> None:
    """A page too wide, pale, cut off, empty or tiny is reported; every eighth sample email is not."""
    try:
        broken, good = await asyncio.to_thread(check_all)
    except RuntimeError as missing:
        pytest.skip(str(missing))

    for fault, reported in broken.items():
        assert any(fault in text for text in reported), (fault, reported)
    assert not any(good.values()), good
