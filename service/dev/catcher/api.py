"""The subset of Mailpit's HTTP API that clients need; errors are plain text, as in Mailpit."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.dev.catcher import mailpit
from service.dev.catcher.mail import CaughtMail
from service.dev.catcher.search import search
from service.dev.catcher.store import MailStore

_LIMIT = 50


class MailpitApi:
    """The API's routes over a message store."""

    def __init__(self, mails: MailStore) -> None:
        self._mails = mails

    def routes(self) -> list[Route]:
        """Return the routes, to be mounted at the root."""
        return [
            Route("/api/v1/messages", self._list, methods=["GET"]),
            Route("/api/v1/messages", self._delete, methods=["DELETE"]),
            Route("/api/v1/search", self._search, methods=["GET"]),
            Route("/api/v1/message/{id}", self._message, methods=["GET"]),
            Route("/api/v1/message/{id}/headers", self._headers, methods=["GET"]),
            Route("/api/v1/message/{id}/raw", self._raw, methods=["GET"]),
            Route("/livez", _ok, methods=["GET"]),
            Route("/readyz", _ok, methods=["GET"]),
        ]

    # Not async: Starlette then runs them in a thread, and a page of thousands does not delay SMTP.
    def _list(self, request: Request) -> Response:
        return self._page(request, self._mails.newest_first())

    def _search(self, request: Request) -> Response:
        query = request.query_params.get("query", "").strip()
        if not query:
            return PlainTextResponse("Error: no search query", 400)
        return self._page(request, search(self._mails.newest_first(), query))

    def _page(self, request: Request, matching: list[CaughtMail]) -> Response:
        try:
            start = int(request.query_params.get("start", 0))
            limit = int(request.query_params.get("limit", _LIMIT))
        except ValueError:
            return PlainTextResponse("start and limit are whole numbers", 400)
        if start < 0 or limit < 0:
            return PlainTextResponse("start and limit are not negative", 400)
        return JSONResponse(mailpit.listing(self._mails, matching, start, limit))

    async def _delete(self, request: Request) -> Response:
        body = await request.body()
        try:
            ids = _ids(json.loads(body)) if body.strip() else None
        except ValueError:
            return PlainTextResponse('the body is {"IDs": [text, …]}', 400)
        self._mails.delete(ids or None)
        return PlainTextResponse("ok")

    async def _message(self, request: Request) -> Response:
        mail = self._mails.get(request.path_params["id"])
        if mail is None:
            return _not_found()
        self._mails.mark_read(mail)
        return JSONResponse(mailpit.message(mail))

    async def _headers(self, request: Request) -> Response:
        mail = self._mails.get(request.path_params["id"])
        return _not_found() if mail is None else JSONResponse(mailpit.headers(mail))

    async def _raw(self, request: Request) -> Response:
        mail = self._mails.get(request.path_params["id"])
        return _not_found() if mail is None else Response(mail.raw, media_type="text/plain")


def _ids(body: Any) -> list[str]:
    ids = body.get("IDs") or body.get("ids") or [] if isinstance(body, dict) else None
    if not isinstance(ids, list) or not all(isinstance(mail_id, str) for mail_id in ids):
        raise ValueError(body)
    return ids


def _not_found() -> Response:
    return PlainTextResponse("404 page not found", 404)


async def _ok(request: Request) -> Response:
    return PlainTextResponse("ok")
