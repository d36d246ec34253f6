"""The web view's routes and the headers that keep a hostile message from acting in the viewer's browser."""

import re
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from service.dev.catcher.api import MailpitApi
from service.dev.catcher.mail import CaughtMail
from service.dev.catcher.pages import SHELL, VIEWS, list_page, mail_list, mail_page, missing_page
from service.dev.catcher.search import search
from service.dev.catcher.store import MailStore

# A message's HTML may use its own styles and embedded pictures; no script, form or request. Links open a new tab.
_HTML_PART_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_NEW_TAB_BASE = '<base target="_blank">'


class WebView:
    """The web view's pages over a message store; the empty page names `smtp_port`."""

    def __init__(self, mails: MailStore, smtp_port: int) -> None:
        self._mails = mails
        self._smtp_port = smtp_port

    def routes(self) -> list[Route]:
        """Return the routes, to be mounted at the root."""
        return [
            Route("/", self._list, methods=["GET"]),
            Route("/list", self._fragment, methods=["GET"]),
            Route("/mail/{id}", self._mail, methods=["GET"]),
            Route("/mail/{id}/html", self._html, methods=["GET"]),
        ]

    def _list(self, request: Request) -> Response:
        query, page = _query(request)
        return _page(list_page(self._mails, self._matching(query), query, page, self._smtp_port))

    def _fragment(self, request: Request) -> Response:
        query, page = _query(request)
        tag = f'"{self._mails.revision}"'
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        response = _page(mail_list(self._mails, self._matching(query), query, page, self._smtp_port))
        response.headers["ETag"] = tag
        return response

    async def _mail(self, request: Request) -> Response:
        mail = self._mails.get(request.path_params["id"])
        if mail is None:
            return _page(missing_page(), 404)
        self._mails.mark_read(mail)
        view = request.query_params.get("view", "html" if mail.content.html else "text")
        return _page(mail_page(mail, view if view in VIEWS else "text"))

    async def _html(self, request: Request) -> Response:
        mail = self._mails.get(request.path_params["id"])
        if mail is None:
            return _page(missing_page(), 404)
        return HTMLResponse(
            _open_links_in_new_tab(mail.content.html),
            headers={**_SAFETY_HEADERS, "Content-Security-Policy": _HTML_PART_POLICY},
        )

    def _matching(self, query: str) -> list[CaughtMail]:
        mails = self._mails.newest_first()
        return search(mails, query) if query else mails


def web_app(mails: MailStore, smtp_port: int, further: Sequence[Route] = ()) -> Starlette:
    """Return the web view, the API and further routes together.

    It answers to loopback host names only, which defeats DNS rebinding.
    """
    static = StaticFiles(directory=Path(__file__).with_name("static"))
    return Starlette(
        routes=[
            *MailpitApi(mails).routes(),
            *WebView(mails, smtp_port).routes(),
            *further,
            Mount("/static", static),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


def _page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, headers={**_SAFETY_HEADERS, **SHELL.headers})


def _query(request: Request) -> tuple[str, int]:
    page = request.query_params.get("page", "1")
    return request.query_params.get("q", "").strip(), max(1, int(page[:9])) if page.isdecimal() else 1


def _open_links_in_new_tab(html: str) -> str:
    """Make links open a new tab, by an element in the head so that the doctype stays first."""
    marked, insertions = re.subn(
        r"(?i)<head\b[^>]*>", lambda head: head.group() + _NEW_TAB_BASE, html, count=1
    )
    return marked if insertions else html + _NEW_TAB_BASE
