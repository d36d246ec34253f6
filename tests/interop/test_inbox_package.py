"""The npm package of the inbox: typed, tested, and built into exactly the script that the API serves."""

from pathlib import Path

import pytest

from service.api.routes.inbox_script import FOLDER as ASSETS
from tests.support.inbox_package import PACKAGE, installed


@pytest.fixture(autouse=True)
async def package() -> Path:
    return await installed()


async def test_types_are_strict_and_current() -> None:
    """The compiler accepts everything, and the types of the API are those of docs/api/openapi.json."""
    code, output = await PACKAGE.run("npm", "run", "--silent", "check")
    assert code == 0, output


async def test_units() -> None:
    """Parser, store, reconnects, tabs: Node's own runner."""
    code, output = await PACKAGE.run("npm", "test", "--silent")
    assert code == 0, output


async def test_the_committed_script_is_the_built_one(tmp_path: Path) -> None:
    """The locked tools make the same bytes again, at most 25 kB with gzip; the manifest has their hashes."""
    code, output = await PACKAGE.run("node", "scripts/build.mjs", str(tmp_path))
    assert code == 0, output
    for name in ("tocsin-inbox.js", "manifest.json"):
        assert (tmp_path / name).read_bytes() == (ASSETS / name).read_bytes(), (
            f"{name} is not current: make client"
        )


async def test_the_tarball_can_be_used() -> None:
    """Installed into an empty folder, its entries are typed for two module systems and can be bundled."""
    code, output = await PACKAGE.run("npm", "run", "--silent", "check:pack")
    assert code == 0, output


def test_the_lock_file_names_no_registry() -> None:
    """Every package is pinned with its hash; nothing runs on install."""
    PACKAGE.check_lock_file()
