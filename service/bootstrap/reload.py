"""Reload: changed catalogue, brands and templates are loaded, checked wholly, and then taken into use in one step.

1. SIGHUP asks for it, and every `TOCSIN_TEMPLATES__RELOAD_S` seconds the files are looked at.
2. In a thread, `load_contents` reads all files, and in a process that renders, the renderer checks every template.
3. `CurrentParts.use` puts the new version in the place of the old one. A batch or a request that has begun keeps the
   version that it began with; the next one has the new version.
4. On a fault the version in use stays, the log says why, and `tocsin_catalogue_reloads_total` counts it.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from service.adapters.brand_file import BrandError
from service.adapters.catalogue_file import CatalogueError
from service.adapters.template_files import TemplateFault
from service.bootstrap.contents import Contents, check_contents, content_stamps, load_contents
from service.bootstrap.parts import Parts
from service.model.record import Done, Handler, Record
from service.observability.metrics import CATALOGUE_VERSION, RELOADS
from service.settings import Settings

log = structlog.get_logger(__name__)

_MOST_LOADS = 5
"""Loads in a row while the files keep changing; what changes later is noticed by the next look."""


class CurrentParts:
    """The ports with the version of catalogue, brands and templates that is in use."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        CATALOGUE_VERSION.set(parts.contents.fingerprint)

    def use(self, contents: Contents) -> None:
        """Take a version into use, for all that begins from now on."""
        self.parts = self.parts.with_contents(contents)
        CATALOGUE_VERSION.set(contents.fingerprint)

    def handler(self, make: Callable[[Parts], Handler]) -> Handler:
        """Return a handler each of whose batches has one version from its begin to its end."""
        return _CurrentHandler(self, make)


class _CurrentHandler:
    """Makes a handler of each version, and gives each batch to that of the version in use when the batch begins.

    The handlers of two versions may run side by side: what they share (claims in flight, connections) is in the ports.
    """

    def __init__(self, current: CurrentParts, make: Callable[[Parts], Handler]) -> None:
        self._current = current
        self._make = make
        self._parts = current.parts
        self._handler = make(current.parts)

    def __call__(self, records: Sequence[Record]) -> AsyncIterator[Done]:
        if (parts := self._current.parts) is not self._parts:
            self._handler, self._parts = self._make(parts), parts
        return self._handler(records)


class Reloader:
    """Loads again what has changed. `applied` is called with the ports after each reload.

    `renders`: this process uses the templates, so a fault in one of them keeps the version in use.
    """

    def __init__(
        self, current: CurrentParts, applied: Callable[[Parts], None] = lambda _: None, *, renders: bool
    ) -> None:
        self._current = current
        self._applied = applied
        self._renders = renders
        self._requested = asyncio.Event()
        self._stamps = current.parts.contents.stamps

    def request(self) -> None:
        """Ask for a reload, also where no file seems to have changed."""
        self._requested.set()

    async def run(self) -> None:
        """Reload at each request and after each change, until cancelled."""
        settings = self._current.parts.settings
        while True:
            requested = await self._wait(settings.templates.reload_s)
            try:
                stamps = await asyncio.to_thread(content_stamps, settings)
                if requested or stamps != self._stamps:
                    self._stamps = stamps
                    await self._reload(settings)
            except Exception:  # the version in use stays
                RELOADS.add(("failed",))
                log.exception("catalogue_reload_failed")

    async def _wait(self, every_s: float) -> bool:
        """Return True at a request, False when it is time to look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s or None):
                await self._requested.wait()
        requested = self._requested.is_set()
        self._requested.clear()
        return requested

    async def _reload(self, settings: Settings) -> None:
        before = self._current.parts.contents.fingerprint
        try:
            contents = await asyncio.to_thread(_load_checked, settings, before, self._renders)
        except (CatalogueError, BrandError, TemplateFault, OSError, ValueError) as error:
            RELOADS.add(("failed",))
            log.error("catalogue_reload_failed", error=" ".join(str(error).split()), fingerprint=before)
            return
        if contents is None:
            RELOADS.add(("unchanged",))
            log.info("catalogue_unchanged", fingerprint=before)
            return
        self._current.use(contents)
        self._applied(self._current.parts)
        RELOADS.add(("reloaded",))
        types = len(contents.catalogue)
        log.info("catalogue_reloaded", fingerprint=contents.fingerprint, before=before, types=types)


@asynccontextmanager
async def reloading(reloader: Reloader) -> AsyncIterator[None]:
    """Reload for the block, at SIGHUP too."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(reloader.run(), name="reload")
    with suppress(ValueError, RuntimeError):  # this is not the main thread
        loop.add_signal_handler(signal.SIGHUP, reloader.request)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def ignore_hangups() -> None:
    """Have SIGHUP not end this process, which it would until the process can reload."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _load_checked(settings: Settings, before: str, renders: bool) -> Contents | None:
    """Return the version of the files, checked; None for the one of the fingerprint `before`. Raise what they raise."""
    gc.collect()  # what an earlier version has left, 6 MB: collections of this size are rare else
    for _ in range(_MOST_LOADS):
        contents = load_contents(settings)
        if content_stamps(settings) == contents.stamps:  # else it may have files of two versions
            break
    if contents.fingerprint == before:
        return None
    if renders:
        check_contents(contents)
    return contents
