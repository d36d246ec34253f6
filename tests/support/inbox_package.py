"""The npm package in clients/inbox, for the tests that build it or need axe."""

from pathlib import Path

from tests.support.npm_package import NpmPackage
from tests.support.paths import ROOT

FOLDER = ROOT / "clients" / "inbox"
PACKAGE = NpmPackage(FOLDER)


async def installed() -> Path:
    """Return the folder of the package with what its lock file names; skip where that cannot be installed."""
    await PACKAGE.install()
    return FOLDER
