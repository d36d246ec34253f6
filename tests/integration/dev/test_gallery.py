"""What the gallery calls broken, and that sample mails are not."""

import asyncio

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.settings import Settings, templates_directory
from tests.support.gallery import View, chromium, faults, looking, mails

LONG = "<p>A paragraph that is long enough to count as something that can be read.</p>"
BROKEN = {
    "px too wide": f"{LONG}<table width=700><tr><td>wide</td></tr></table>",
    "has contrast": f"{LONG}<p style='color:#eee'>pale</p>",
    "runs out of the page": f"<body style='overflow-x:hidden'>{LONG}<p style='position:absolute;left:350px'>cut</p>",
    "characters can be seen": f"<p>Short.</p><div style='display:none'>{LONG}</div>",
    "small": f"{LONG}<p style='font-size:6px'>tiny</p>",
}


def look_at_all() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The faults of the broken pages, and those of some sample mails in the narrowest and darkest view."""
    catalogue = load_catalogue(templates_directory())
    samples = mails(catalogue, Settings(), "de")
    with chromium() as browser:
        with looking(browser, View("en", 360, "light")) as page:
            broken = {name: faults(page, html) for name, html in BROKEN.items()}
        with looking(browser, View("de", 360, "dark")) as page:
            good = {name: faults(page, samples[name]) for name in list(samples)[::8]}
    return broken, good


async def test_what_is_broken_is_found_and_the_samples_are_not() -> None:
    """A mail too wide, pale, cut off, empty or tiny is named; every eighth sample mail is none of it."""
    try:
        broken, good = await asyncio.to_thread(look_at_all)
    except RuntimeError as missing:
        pytest.skip(str(missing))

    for fault, found in broken.items():
        assert any(fault in told for told in found), (fault, found)
    assert not any(good.values()), good
