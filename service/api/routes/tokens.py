"""Credentials for browsers: short-lived tokens for one inbox, and tickets that open one live stream."""

import secrets
import time
from typing import Literal

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from service.api.auth.guard import MayIssueTokens, MayReadInbox
from service.api.auth.inbox_tokens import SCOPE
from service.api.deps import Deps, authenticators_of
from service.api.errors import ApiError
from service.api.representations.body import parse_model, read_json
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.ports import STREAM_TICKET_S, StreamTicket

router = APIRouter()
_SHORTEST_S, _DEFAULT_S, _LONGEST_S = 60, 900, 3600
_NOT_CONFIGURED = (
    "This server has no secret to sign tokens with: its operator sets TOCSIN_AUTH__TOKEN_SECRETS or "
    "TOCSIN_AUTH__SECRET."
)


class TokenRequest(BaseModel):
    """The inbox that a token is for, and for how long, in seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    recipient: str = Field(min_length=1, max_length=128, examples=["alice"])
    expires_in: int = Field(default=_DEFAULT_S, ge=_SHORTEST_S, le=_LONGEST_S)

    @field_validator("recipient")
    @classmethod
    def _is_printable(cls, recipient: str) -> str:
        if not recipient.isprintable():
            raise ValueError("must be printable")
        return recipient


class InboxToken(BaseModel):
    """A token for an inbox, in the form of OAuth's (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")
    scope: Literal["inbox"]


class Ticket(BaseModel):
    """A ticket for one live stream: `GET /v1/inbox/stream?ticket=…` opens it once."""

    ticket: str
    expires_in: int = Field(description="The seconds in which the stream must be opened.")


@router.post(
    "/v1/tokens",
    operation_id="issue_inbox_token",
    tags=["tokens"],
    summary="Issue an inbox token",
    responses={
        200: response(schema_ref(InboxToken)),
        **error_responses(400, 401, 403, 413, 422, 429, 501, 503),
    },
    openapi_extra=request_body(schema_ref(TokenRequest)),
)
async def issue_token(request: Request, principal: MayIssueTokens) -> Response:
    """Issue a token with which a page reads the inbox of one recipient, and nothing else.

    An app's own server asks for it with an API key of the scope `tokens`, once it knows who the user is. The recipient
    need not exist yet.
    """
    form = parse_model(TokenRequest, await read_json(request))
    try:
        token = authenticators_of(request).tokens.inbox.token(
            form.recipient, int(time.time()), form.expires_in
        )
    except ValueError:
        raise ApiError(501, _NOT_CONFIGURED, code="no-token-secret") from None
    return _json(
        {"access_token": token, "token_type": "Bearer", "expires_in": form.expires_in, "scope": SCOPE}
    )


@router.post(
    "/v1/inbox/stream-tickets",
    operation_id="issue_stream_ticket",
    tags=["inbox"],
    summary="Issue a ticket for a stream",
    responses={200: response(schema_ref(Ticket)), **error_responses(400, 401, 403, 413, 429, 503)},
)
async def issue_ticket(principal: MayReadInbox, deps: Deps) -> Response:
    """Issue a ticket for the caller's stream, for a browser's own EventSource, which sends no Authorization header.

    It works once and for half a minute, so that a URL in a log opens nothing. The stream ends when the caller's token
    does.
    """
    secret = secrets.token_urlsafe(32)
    await deps.stream_tickets.put(secret, StreamTicket(principal.id, principal.until))
    return _json({"ticket": secret, "expires_in": STREAM_TICKET_S})


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
