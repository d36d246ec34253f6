"""FastAPI security dependencies: authenticate the caller, check its scope, then apply its rate limit."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends
from fastapi.openapi.models import HTTPBase, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from service.api.auth.keys import service_of
from service.api.auth.principal import BadCredential, Principal, PrincipalKind
from service.api.deps import authenticators_of, deps_of
from service.api.errors import ApiError
from service.api.protocol.connection_limits import network_of
from service.api.rate_limits import enforce_rate_limit
from service.model.keys import joined_key
from service.pipeline.tables.credentials import looks_like_key

_BASIC = {"WWW-Authenticate": 'Basic realm="tocsin", charset="UTF-8"'}


async def authorize(request: Request, scope: str) -> Principal:
    """Return the caller whose bearer token or API key has this scope. Raise ApiError or Unavailable."""
    token = _credential(request, "bearer")
    if token is None:
        raise _unauthorized("A bearer token is required.")
    try:
        if looks_like_key(token):
            principal = await service_of(token, deps_of(request).api_keys)
        else:
            principal = await authenticators_of(request).tokens.principal(token)
    except BadCredential as error:
        text = str(error)
        raise _unauthorized(f"{text[0].upper()}{text[1:]}.", ', error="invalid_token"') from None
    # An inbox belongs to a person: an API key cannot read one, whatever its scopes.
    if scope not in principal.scopes or (scope == "inbox" and principal.kind is not PrincipalKind.recipient):
        challenge = f'Bearer realm="tocsin", error="insufficient_scope", scope="{scope}"'
        headers = {"WWW-Authenticate": challenge}
        raise ApiError(403, f"The scope {scope} is required.", code="forbidden", headers=headers)
    limit = "operate" if scope.startswith("operate:") else scope
    await enforce_rate_limit(request, limit, principal.name)
    return principal


async def authorize_stream(request: Request) -> Principal:
    """Return the caller of a live stream: by the `ticket` of the query, which works once, or as `authorize` does.

    Raise ApiError or Unavailable.
    """
    secret = request.query_params.get("ticket")
    if secret is None or "authorization" in request.headers:
        return await authorize(request, "inbox")
    ticket = await deps_of(request).stream_tickets.take(secret)
    if ticket is None:
        raise _unauthorized("The ticket was used before, or is older than half a minute.")
    principal = Principal(PrincipalKind.recipient, ticket.recipient, frozenset({"inbox"}), ticket.until_s)
    await enforce_rate_limit(request, "inbox", principal.name)
    return principal


async def authorize_account(request: Request) -> Principal:
    """Return the account that calls with HTTP Basic. Raise ApiError or Unavailable."""
    encoded = _credential(request, "basic")
    if encoded is None:
        detail = "The id and password of an account are required (HTTP Basic)."
        raise ApiError(401, detail, code="unauthorized", headers=_BASIC)

    async def before_verifying(account: str) -> None:
        # Before the password hash is computed: guessing must not cost this process 50 ms a guess. By address first, so
        # that one address cannot use up the tries of many accounts, nor all tries of one.
        address = network_of(request.client.host) if request.client else ""
        await enforce_rate_limit(request, "passwords", address)
        await enforce_rate_limit(request, "passwords_per_account_and_address", joined_key(account, address))
        await enforce_rate_limit(request, "passwords_per_account", account)

    try:
        principal = await authenticators_of(request).passwords.principal(encoded, before_verifying)
    except BadCredential:
        detail = "The account or its password is wrong."
        raise ApiError(401, detail, code="unauthorized", headers=_BASIC) from None
    await enforce_rate_limit(request, "account", principal.name)
    return principal


def _credential(request: Request, scheme: str) -> str | None:
    """Return the credential of the Authorization header, or None when it has a different scheme."""
    name, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() or None if name.lower() == scheme else None


def _unauthorized(detail: str, error: str = "") -> ApiError:
    headers: Mapping[str, str] = {"WWW-Authenticate": f'Bearer realm="tocsin"{error}'}
    return ApiError(401, detail, code="unauthorized", headers=headers)


class _Bearer(SecurityBase):
    def __init__(self, scope: str) -> None:
        self.model = HTTPBearer(
            bearerFormat="JWT",
            description="A JWT (`sub` is the recipient's id, `scope` lists the granted scopes), or an API key.",
        )
        self.scheme_name = "bearer"
        self._scope = scope

    async def __call__(self, request: Request) -> Principal:
        return await authorize(request, self._scope)


class _Basic(SecurityBase):
    def __init__(self) -> None:
        self.model = HTTPBase(scheme="basic", description="The account's id and password.")
        self.scheme_name = "basic"

    async def __call__(self, request: Request) -> Principal:
        return await authorize_account(request)


MayChangeTables = Annotated[Principal, Depends(_Bearer("tables"))]
MayIssueTokens = Annotated[Principal, Depends(_Bearer("tokens"))]
MayPublish = Annotated[Principal, Depends(_Bearer("events"))]
MayReadInbox = Annotated[Principal, Depends(_Bearer("inbox"))]
MayReadOperations = Annotated[Principal, Depends(_Bearer("operate:read"))]
MayWriteOperations = Annotated[Principal, Depends(_Bearer("operate:write"))]
CallingAccount = Annotated[Principal, Depends(_Basic())]
