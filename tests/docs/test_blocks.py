"""Every console block and program of the documents runs against a stack of `tocsin dev`, and prints what is shown."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from service.bootstrap.contents import load_contents
from service.bootstrap.parts import Parts
from service.dev.ports import free_port
from service.dev.sample_run import follow, publish_samples
from service.settings import Settings
from tests.docs.page_run import PageRun
from tests.docs.pages import CURRENT
from tests.support.command_server import CommandServer
from tests.support.dev_stack import stack_in
from tests.support.environment import port_variables
from tests.support.wait import eventually

pytestmark = [pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]
_RUN = [
    name
    for name, page in CURRENT.items()
    if not page.run_by and any(block.language in {"console", "python"} for block in page.blocks())
]

_WITH_OWN_TYPES = "docs/tutorial/first-type.md"
"""The page whose folder `own` is that of the stack."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What `make run` starts. `own`: the folder of templates that is merged with the shipped ones."""

    settings: Settings
    parts: Parts
    own: Path

    async def settled(self) -> None:
        """Wait until the worker has the catalogue and the templates of the files."""
        version = (await asyncio.to_thread(load_contents, self.settings)).fingerprint

        async def taken_up() -> bool:
            reports = await self.parts.worker_reports.current(self.parts.clock.now_ms())
            return bool(reports) and all(report.catalogue == version for report in reports)

        await eventually(taken_up, 60)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Yield what `make run` starts, with its sample events delivered."""
    own = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("TOCSIN_TEMPLATES__DIRECTORY", str(own))
        variables.setenv("TOCSIN_TEMPLATES__SHIPPED", "merged")
        stack = stack_in(tmp_path_factory.mktemp("stack"))
        try:
            parts = await stack.start()
            await follow(parts, await publish_samples(parts), 120)
            yield Stack(stack.settings, parts, own)
        finally:
            await stack.stop()


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the folder with the program `tocsin`."""
    folder = tmp_path_factory.mktemp("commands")
    with CommandServer(folder):
        yield folder


@pytest.mark.parametrize("name", _RUN)
async def test_what_a_page_shows_runs(name: str, stack: Stack, commands: Path, tmp_path: Path) -> None:
    """In the order of the page, in one folder."""
    dev = stack.settings.dev
    ports = {
        9092: dev.kafka_port, 6379: dev.redis_port, 1025: dev.smtp_port, 8025: dev.mail_port, 8000: dev.http_port,
        9000: free_port(),
    }  # fmt: skip
    if name == _WITH_OWN_TYPES:
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "own").symlink_to(stack.own)
    loop = asyncio.get_running_loop()
    run = PageRun(
        CURRENT[name],
        tmp_path,
        ports,
        commands,
        lambda: asyncio.run_coroutine_threadsafe(stack.settled(), loop).result(),
        TOCSIN_URL=f"http://127.0.0.1:{dev.http_port}",
        TOCSIN_MODE="dev",
        **port_variables(dev),
    )

    failures = await asyncio.to_thread(run.failures)

    assert not failures, "\n".join(map(str, failures))
