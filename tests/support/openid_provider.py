"""An OpenID provider on loopback: discovery, authorization, token, keys and sign-out, with faults on request."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "tocsin-console", "secret of the console: 100% of a test"
_CODE_S = 60


@dataclass
class Provider:
    """The provider's state. `claims` are added to id tokens, and may replace what is right by what is wrong.

    `answer` is added to the query with which a browser comes back. `code_age_s`: how old codes seem to be.
    """

    issuer: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    claims: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, str] = field(default_factory=dict)
    code_age_s: int = 0
    signing_key: Any = None
    algorithm: str = "RS256"
    codes: dict[str, tuple[dict[str, str], float]] = field(default_factory=dict)
    sign_outs: list[dict[str, str]] = field(default_factory=list)

    def reset(self) -> None:
        """Be right again."""
        self.claims, self.answer, self.code_age_s = {}, {}, 0
        self.signing_key, self.algorithm = None, "RS256"

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/sign-out",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }

    def keys(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser goes: back, with a code, without asking the person anything."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT
        code = token_urlsafe(16)
        self.codes[code] = (query, time.time() - self.code_age_s)
        answer = {"code": code, "state": query["state"], "iss": self.issuer, **self.answer}
        return (
            f"{query['redirect_uri']}?{urlencode({name: value for name, value in answer.items() if value})}"
        )

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the document for a code (RFC 6749, section 5)."""
        client, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote(client), unquote(secret)) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        query, at_s = self.codes.pop(form["code"], ({}, 0.0))
        challenge = (
            base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        )
        is_right = (
            query.get("code_challenge") == challenge and query.get("redirect_uri") == form["redirect_uri"]
        )
        if not is_right or time.time() - at_s > _CODE_S:
            return 400, {"error": "invalid_grant"}
        now_s = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "u-1",
            "name": "Olivia Operator",
            "iat": now_s,
            "exp": now_s + 300,
            "nonce": query["nonce"],
            "roles": ["operator"],
            **self.claims,
        }
        key = None if self.algorithm == "none" else self.signing_key or self.key
        token = jwt.encode(claims, key, self.algorithm, {"kid": "one"})
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": token}


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        match parts.path:
            case "/.well-known/openid-configuration":
                self._json(200, self.provider.discovery())
            case "/keys":
                self._json(200, self.provider.keys())
            case "/authorize":
                self._redirect(self.provider.authorize(query))
            case "/sign-out":
                self.provider.sign_outs.append(query)
                self._redirect(query["post_logout_redirect_uri"])
            case _:
                self._json(404, {})

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True)
        fields = {name: values[0] for name, values in form.items()}
        self._json(*self.provider.token(fields, self.headers.get("Authorization", "")))

    def _redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: requests are no news."""


@contextmanager
def openid_provider() -> Iterator[Provider]:
    """Yield a provider that answers on a port of its own."""
    provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider}))
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
