"""The guard before each route: who calls, may they, and not too often."""

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
from service.api.rate_limits import limit
from service.pipeline.tables.credentials import looks_like_key

_BASIC = {"WWW-Authenticate": 'Basic realm="tocsin", charset="UTF-8"'}


async def allow(request: Request, scope: str) -> Principal:
    """The caller with a bearer token or API key that has this scope. Raises ApiError, Unavailable."""
    token = _credential(request, "bearer")
    if token is None:
        raise _unauthorized("A bearer token is needed.")
    try:
        if looks_like_key(token):
            principal = await service_of(token, deps_of(request).api_keys)
        else:
            principal = await authenticators_of(request).tokens.principal(token)
    except BadCredential as error:
        text = str(error)
        raise _unauthorized(f"{text[0].upper()}{text[1:]}.", ', error="invalid_token"') from None
    if scope not in principal.scopes or (scope == "inbox" and principal.kind is not PrincipalKind.recipient):
        challenge = f'Bearer realm="tocsin", error="insufficient_scope", scope="{scope}"'
        raise ApiError(
            403, f"The scope {scope} is needed.", code="forbidden", headers={"WWW-Authenticate": challenge}
        )
    await limit(request, scope, principal.name)
    return principal


async def allow_account(request: Request) -> Principal:
    """The account that calls with HTTP Basic. Raises ApiError, Unavailable."""
    encoded = _credential(request, "basic")
    if encoded is None:
        raise ApiError(401, "An account and its password are needed.", code="unauthorized", headers=_BASIC)

    async def before_verifying() -> None:
        await limit(request, "passwords", request.client.host if request.client else "")

    try:
        principal = await authenticators_of(request).passwords.principal(encoded, before_verifying)
    except BadCredential:
        detail = "The account or its password is wrong."
        raise ApiError(401, detail, code="unauthorized", headers=_BASIC) from None
    await limit(request, "account", principal.name)
    return principal


def _credential(request: Request, wanted: str) -> str | None:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() or None if scheme.lower() == wanted else None


def _unauthorized(detail: str, error: str = "") -> ApiError:
    headers: Mapping[str, str] = {"WWW-Authenticate": f'Bearer realm="tocsin"{error}'}
    return ApiError(401, detail, code="unauthorized", headers=headers)


class _Bearer(SecurityBase):
    def __init__(self, scope: str) -> None:
        self.model = HTTPBearer(
            bearerFormat="JWT",
            description="A JWT whose `sub` is the recipient and whose `scope` has what is needed; or a key.",
        )
        self.scheme_name = "bearer"
        self._scope = scope

    async def __call__(self, request: Request) -> Principal:
        return await allow(request, self._scope)


class _Basic(SecurityBase):
    def __init__(self) -> None:
        self.model = HTTPBase(scheme="basic", description="The account's id and password.")
        self.scheme_name = "basic"

    async def __call__(self, request: Request) -> Principal:
        return await allow_account(request)


MayChangeTables = Annotated[Principal, Depends(_Bearer("tables"))]
MayPublish = Annotated[Principal, Depends(_Bearer("events"))]
MayReadInbox = Annotated[Principal, Depends(_Bearer("inbox"))]
MayOperate = Annotated[Principal, Depends(_Bearer("operate"))]
OfAccount = Annotated[Principal, Depends(_Basic())]
