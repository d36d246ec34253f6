"""The session of an operator: sealed into a cookie, so that the console works while Redis does not.

A sign-out is remembered in Redis until the session would have ended, so that a copied cookie ends with it.
"""

from collections.abc import Sequence
from contextlib import suppress
from secrets import token_urlsafe
from typing import Any, NamedTuple

from service.console.access import rights_of
from service.pipeline.tables.token_cipher import TokenCipher

_LONGEST = 4000
_RESEALED_S = 60.0


class Seal:
    """Encryption of what a browser keeps for us: the first secret encrypts, all decrypt.

    What is sealed for one purpose cannot be opened for another.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._cipher = TokenCipher(secrets, "console")

    def close(self, purpose: str, document: Any) -> str:
        """Return a JSON document, sealed."""
        return self._cipher.encrypt(document, purpose)

    def open(self, purpose: str, text: str) -> Any:
        """Return the document; None for anything that this did not seal for this purpose."""
        if len(text) <= _LONGEST and text.isascii():
            with suppress(ValueError):
                return self._cipher.decrypt(text, purpose)
        return None


class ConsoleSession(NamedTuple):
    """Who is signed in, since when and last seen when (s), and with which roles.

    `token` is in every form, and proves that a page of ours sent it. `shows_addresses`: the operator has asked to see
    addresses unmasked.
    """

    id: str
    subject: str
    name: str
    roles: tuple[str, ...]
    token: str
    begun_s: float
    seen_s: float
    shows_addresses: bool = False

    @classmethod
    def begin(cls, subject: str, name: str, roles: Sequence[str], now_s: float) -> "ConsoleSession":
        """Return a new session: its id and token are never those of a session before the sign-in."""
        return cls(token_urlsafe(16), subject, name, tuple(roles), token_urlsafe(24), now_s, now_s)

    @property
    def operator(self) -> str:
        """Return the name under which the operation log keeps what is done."""
        return f"console:{self.subject}"

    def may(self, right: str) -> bool:
        """Return whether the roles have a right."""
        return right in rights_of(self.roles)


class SessionSeal:
    """Sessions as texts. One ends `idle_s` after it was last seen, and `lifetime_s` after it began."""

    def __init__(self, seal: Seal, idle_s: float, lifetime_s: float) -> None:
        self._seal = seal
        self._idle_s = idle_s
        self._lifetime_s = lifetime_s

    def close(self, session: ConsoleSession) -> str:
        """Return the session, sealed."""
        return self._seal.close("session", tuple(session))

    def open(self, text: str, now_s: float) -> ConsoleSession | None:
        """Return the session of a text; None where it has ended, or the text is none of ours."""
        fields = self._seal.open("session", text)
        if fields is None:
            return None
        session = ConsoleSession(*fields)._replace(roles=tuple(fields[3]))
        return session if now_s < self.end_s(session) else None

    def end_s(self, session: ConsoleSession) -> float:
        """Return when a session ends unless another page is opened."""
        return min(session.seen_s + self._idle_s, session.begun_s + self._lifetime_s)

    def seen(self, session: ConsoleSession, now_s: float) -> ConsoleSession:
        """Return the session as seen now; itself where that is less than a minute newer."""
        return session._replace(seen_s=now_s) if now_s - session.seen_s >= _RESEALED_S else session
