"""The server of `tocsin preview --serve`: every type's mail in a browser, rendered again after each saved file."""

from dataclasses import dataclass
from hashlib import blake2b

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from service.adapters.brand_file import BrandError
from service.adapters.catalogue_file import CatalogueError
from service.adapters.templates import (
    Preview,
    TemplateFault,
    TemplateRenderer,
    digest_samples,
    render_preview,
)
from service.bootstrap.contents import content_stamps, load_contents
from service.dev.ports import LOOPBACK
from service.dev.preview_pages import SCRIPT, SHELL, PreviewChoice, error_page, preview_page
from service.ports import RenderFailed
from service.settings import Settings

_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; frame-ancestors 'self'; sandbox"
)
_FAULTS = (CatalogueError, BrandError, TemplateFault, RenderFailed)


@dataclass(frozen=True, slots=True)
class _LoadedTemplates:
    version: str
    renderer: TemplateRenderer


class PreviewServer:
    """A web application that loads catalogue and templates again after a change; errors are shown in the page."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loaded: _LoadedTemplates | None = None

    def app(self) -> Starlette:
        """Return the application. It answers to loopback host names only, which defeats DNS rebinding."""
        return Starlette(
            routes=[Route("/", self._first), *self.routes()],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])],
        )

    def routes(self) -> list[Route]:
        """Return the routes but that of the root, for another application that has them too."""
        return [
            Route("/preview", self._first),
            Route("/version", self._version),
            Route("/reload.js", _script),
            Route("/preview/{type}", self._page),
            Route("/preview/{type}/html", self._html),
        ]

    def version(self) -> str:
        """Return a digest of what shows that a file has changed."""
        return blake2b(repr(content_stamps(self._settings)).encode(), digest_size=8).hexdigest()

    def _renderer(self) -> TemplateRenderer:
        """Return the renderer of the current files. Raise CatalogueError, BrandError, TemplateFault."""
        version = self.version()
        if self._loaded is None or self._loaded.version != version:
            contents = load_contents(self._settings, signed=False)
            self._loaded = _LoadedTemplates(version, contents.make_renderer())
        return self._loaded.renderer

    def _render(self, choice: PreviewChoice) -> tuple[TemplateRenderer, Preview]:
        """Return the renderer, and the preview of a type. Raise KeyError, RenderFailed, and as `_renderer`."""
        renderer = self._renderer()
        preview = render_preview(renderer, self._settings.mail, choice.type, choice.locale, choice.brand)
        return renderer, preview

    def _page_text(self, choice: PreviewChoice) -> str:
        renderer, preview = self._render(choice)
        catalogue = renderer.library.catalogue
        names = [*digest_samples(catalogue), *(type_.name for type_ in catalogue)]
        return preview_page(names, list(renderer.brands.tables), choice, preview)

    async def _first(self, _: Request) -> Response:
        try:
            renderer = await run_in_threadpool(self._renderer)
        except _FAULTS as error:
            return _html_response(error_page(str(error)))
        return RedirectResponse(f"/preview/{next(iter(renderer.library.catalogue)).name}")

    async def _version(self, _: Request) -> Response:
        return PlainTextResponse(await run_in_threadpool(self.version), headers={"Cache-Control": "no-store"})

    async def _page(self, request: Request) -> Response:
        try:
            return _html_response(await run_in_threadpool(self._page_text, self._choice(request)))
        except KeyError:
            return _html_response(error_page("There is no such notification type or brand."), 404)
        except _FAULTS as error:
            return _html_response(error_page(str(error)))

    async def _html(self, request: Request) -> Response:
        try:
            _, preview = await run_in_threadpool(self._render, self._choice(request))
        except (KeyError, *_FAULTS):
            return PlainTextResponse("This message cannot be rendered.", 404)
        return _html_response(preview.html, policy=_MAIL_POLICY)

    def _choice(self, request: Request) -> PreviewChoice:
        query = request.query_params
        locale = query.get("locale", "")[:35] or self._settings.templates.locale
        return PreviewChoice(
            request.path_params["type"], locale, query.get("width", ""), query.get("brand", "")
        )


def serve_previews(settings: Settings, port: int) -> None:
    """Serve the previews until interrupted. Raise OSError when the port is taken."""
    uvicorn.run(PreviewServer(settings).app(), host=LOOPBACK, port=port, log_config=None, access_log=False)


async def _script(_: Request) -> Response:
    return Response(SCRIPT, media_type="text/javascript", headers={"Cache-Control": "no-store"})


def _html_response(html: str, status: int = 200, *, policy: str = "") -> Response:
    headers = {
        "Content-Security-Policy": policy or SHELL.headers["Content-Security-Policy"],
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(html, status, headers)
