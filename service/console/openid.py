"""Sign-in at an OpenID provider: authorization code with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636).

There is one provider, by the settings. Its discovery document has to be its own (OpenID Connect Discovery 1.0, section
4.3), and so has a response that says whose it is (RFC 9207): another issuer's code is never sent to it.
"""

import asyncio
import hmac
import http.client
import time
import urllib.error
import urllib.request
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import jwt
import orjson
import structlog

from service.api.auth.jwks import Jwks, fetch
from service.api.auth.principal import BadCredential
from service.ports import Unavailable
from service.settings.console import ConsoleSettings

log = structlog.get_logger(__name__)

_ALGORITHMS = ("RS256", "ES256")
_DISCOVERY = "/.well-known/openid-configuration"
_KEPT_S = 3600.0
_TIMEOUT_S = 10.0
_MAX_BYTES = 512 * 1024
_SKEW_S = 60
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))


class SignInAttempt(NamedTuple):
    """What a browser keeps from the way to the provider until it is back; `next` is the path that it came for."""

    state: str
    nonce: str
    verifier: str
    next: str
    until_s: float

    @classmethod
    def begin(cls, next_path: str, until_s: float) -> "SignInAttempt":
        """Return a new attempt."""
        return cls(token_urlsafe(24), token_urlsafe(24), token_urlsafe(48), next_path, until_s)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: a code and a secret are for the address that they are sent to."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def post(request: urllib.request.Request) -> tuple[int, bytes]:
    """Return the status and the body of the response to a request. Raise OSError, or ValueError when it is large."""
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S) as response:
            status, body = response.status, response.read(_MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read(_MAX_BYTES + 1)
    if len(body) > _MAX_BYTES:
        raise ValueError("the response is too large")
    return status, body


class OpenIdProvider:
    """The provider of the settings. `redirect_uri` is where it sends browsers back to."""

    def __init__(
        self,
        settings: ConsoleSettings,
        redirect_uri: str,
        *,
        get: Callable[[str], bytes] = fetch,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raise ValueError for an issuer without TLS, except on this machine, and without a client id."""
        _check_url(settings.issuer, "TOCSIN_CONSOLE__ISSUER")
        if not settings.client_id:
            raise ValueError("TOCSIN_CONSOLE__ISSUER needs TOCSIN_CONSOLE__CLIENT_ID")
        self._settings = settings
        self.redirect_uri = redirect_uri
        self._get = get
        self._now = now
        self._metadata: Mapping[str, Any] = {}
        self._until_s = float("-inf")
        self._jwks: Jwks | None = None
        self._lock = asyncio.Lock()

    @property
    def host(self) -> str:
        """Return the provider's host, as a name for people."""
        return urlsplit(self._settings.issuer).hostname or ""

    async def authorization_url(self, attempt: SignInAttempt) -> str:
        """Return where the browser signs in. Raise Unavailable."""
        metadata = await self._discovered()
        challenge = urlsafe_b64encode(sha256(attempt.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self._settings.scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with_query(metadata["authorization_endpoint"], query)

    async def sign_out_url(self, back_to: str) -> str:
        """Return where the browser also signs out of the provider; empty where that has no such page."""
        try:
            end = str((await self._discovered()).get("end_session_endpoint") or "")
        except Unavailable:
            return ""
        query = {"client_id": self._settings.client_id, "post_logout_redirect_uri": back_to}
        return _with_query(end, query) if end else ""

    async def claims(self, query: Mapping[str, str], attempt: SignInAttempt) -> Mapping[str, Any]:
        """Return the claims of the person who comes back with this query. Raise BadCredential or Unavailable."""
        metadata = await self._discovered()
        if not hmac.compare_digest(query.get("state", "").encode(), attempt.state.encode()):
            raise BadCredential("the answer belongs to another sign-in")
        issuer = query.get("iss")
        if issuer is None and metadata.get("authorization_response_iss_parameter_supported") is True:
            raise BadCredential("the answer does not say which issuer it is from")
        if issuer is not None and issuer != self._settings.issuer:
            raise BadCredential("the answer is from another issuer")
        if error := query.get("error"):
            raise BadCredential(f"the provider answered: {error[:80]}")
        if not (code := query.get("code", "")):
            raise BadCredential("the answer has no code")
        return await self._verified(await self._token(metadata, code, attempt), metadata, attempt)

    async def _token(self, metadata: Mapping[str, Any], code: str, attempt: SignInAttempt) -> str:
        """Return the id token that a code stands for."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        request = urllib.request.Request(  # noqa: S310 - the scheme of every endpoint was checked
            metadata["token_endpoint"], headers={"Accept": "application/json"}
        )
        secret, client = self._settings.client_secret.get_secret_value(), self._settings.client_id
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret and "client_secret_basic" in methods:
            credential = f"{quote(client, safe='')}:{quote(secret, safe='')}"  # RFC 6749, section 2.3.1
            request.add_header("Authorization", f"Basic {b64encode(credential.encode()).decode()}")
        else:
            fields |= {"client_id": client, **({"client_secret": secret} if secret else {})}
        request.data = urlencode(fields).encode()
        try:
            status, body = await asyncio.to_thread(post, request)
            document = orjson.loads(body)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unavailable(f"the sign-in provider does not answer: {type(error).__name__}") from error
        if not isinstance(document, dict) or status >= 500:
            raise Unavailable(f"the sign-in provider answered {status}")
        if status != 200 or not isinstance(document.get("id_token"), str):
            raise BadCredential(f"the provider refused the code: {str(document.get('error', status))[:80]}")
        token: str = document["id_token"]
        return token

    async def _verified(
        self, token: str, metadata: Mapping[str, Any], attempt: SignInAttempt
    ) -> Mapping[str, Any]:
        """Return the claims of an id token (OpenID Connect Core 1.0, section 3.1.3.7). Raise BadCredential."""
        client = self._settings.client_id
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            if algorithm not in _ALGORITHMS:
                raise BadCredential("the id token's signing algorithm is not accepted")
            assert self._jwks is not None
            claims: dict[str, Any] = jwt.decode(
                token,
                await self._jwks.key(str(header.get("kid", "")), algorithm),
                algorithms=[algorithm],
                audience=client,
                issuer=self._settings.issuer,
                leeway=_SKEW_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.InvalidAudienceError:
            raise BadCredential("the id token is for another client") from None
        except jwt.InvalidIssuerError:
            raise BadCredential("the id token is from another issuer") from None
        except jwt.ExpiredSignatureError:
            raise BadCredential("the id token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise BadCredential("the id token is not valid") from error
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        party = claims.get("azp")
        if (party is None and len(audiences) > 1) or party not in (None, client):
            raise BadCredential("the id token was issued to another client")
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), attempt.nonce.encode()):
            raise BadCredential("the id token belongs to another sign-in")
        subject = claims["sub"]
        if not 0 < len(subject) <= 255 or not subject.isprintable():
            raise BadCredential("the id token's sub claim is not a name")
        return claims

    async def _discovered(self) -> Mapping[str, Any]:
        """Return the discovery document; an old one while the provider does not answer. Raise Unavailable."""
        async with self._lock:
            if self._now() >= self._until_s:
                try:
                    document = orjson.loads(
                        await asyncio.to_thread(self._get, self._settings.issuer.rstrip("/") + _DISCOVERY)
                    )
                    self._use(document)
                except (OSError, ValueError, http.client.HTTPException) as error:
                    log.warning("openid_discovery_failed", error=type(error).__name__)
            if not self._metadata:
                raise Unavailable("the discovery document of the sign-in provider cannot be used")
            return self._metadata

    def _use(self, document: Any) -> None:
        """Keep a discovery document. Raise ValueError where it is not this issuer's, or names no usable address."""
        if not isinstance(document, dict) or document.get("issuer") != self._settings.issuer:
            raise ValueError("the document is of another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            _check_url(str(document.get(name)), name)
        if end := document.get("end_session_endpoint"):
            _check_url(str(end), "end_session_endpoint")
        if self._jwks is None or document["jwks_uri"] != self._metadata.get("jwks_uri"):
            self._jwks = Jwks(document["jwks_uri"])
        self._metadata, self._until_s = document, self._now() + _KEPT_S


def _check_url(url: str, name: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"{name} must be an https URL")


def _with_query(url: str, fields: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"
