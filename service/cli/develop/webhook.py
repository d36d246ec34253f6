"""Signed webhooks by the Standard Webhooks specification, sent one at a time to one URL."""

import base64
import binascii
import hashlib
import hmac
import http.client
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

_PREFIX = "whsec_"
_NEW_SECRET_BYTES = 24
_SECRET_BYTES = range(24, 65)  # Standard Webhooks, "Signature scheme"


def new_secret() -> str:
    """Return a new secret, as text."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_NEW_SECRET_BYTES)).decode()


def secret_key(text: str) -> bytes:
    """Return the key in a secret, `whsec_` and base64. Raise ValueError for any other text."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is whsec_ and base64") from error
    if not text.startswith(_PREFIX) or len(key) not in _SECRET_BYTES:
        raise ValueError("a secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def signed_headers(key: bytes, id_: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook: its id, its time in seconds since the epoch, and the signature of both."""
    content = f"{id_}.{at_s}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {"webhook-id": id_, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{signature}"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where webhooks are posted. Redirects are not followed: their status is the answer."""

    host: str
    port: int | None
    target: str
    tls: bool
    timeout_s: float = 10.0

    @classmethod
    def of_url(cls, url: str) -> "Endpoint":
        """Return the endpoint of a URL. Raise ValueError unless it is an absolute one of http or https."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("give a URL such as http://127.0.0.1:3000/webhooks")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, parts.port, target, parts.scheme == "https")

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """Post a JSON document; return the status of the answer. Raise OSError or http.client.HTTPException."""
        make = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
        connection = make(self.host, self.port, timeout=self.timeout_s)
        try:
            connection.request("POST", self.target, body, {"content-type": "application/json", **headers})
            return connection.getresponse().status
        finally:
            connection.close()
