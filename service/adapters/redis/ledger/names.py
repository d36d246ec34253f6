"""Names that many events share, of types, topics and sources: Redis has each once, and heads of events a code."""

import time
from collections.abc import Collection, Iterable
from hashlib import blake2b

from service.adapters.redis.client import Store
from service.adapters.redis.script_batch import Arg, Script, ScriptBatch

_PUT = Script("ledger_names", complete_only=True)
CODE_BYTES = 4
_MOST, _RESERVE = 10_000, 1000
_MOST_KNOWN = 4 * _MOST
_FULL_S = 60.0


class Names:
    """The codes of names. A code is a hash of its name, so a process that finds none has nothing to agree on.

    A name that has the code of another, and every name after the first ten thousand, has no code: it is written out.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names: dict[bytes, str] = {}
        self._codes: dict[str, bytes | None] = {}
        self._full_until_s = {False: 0.0, True: 0.0}

    async def register(self, names: Iterable[str], *, reserve: bool = False) -> None:
        """Store names that this process does not know. `reserve`: there is room for a thousand more."""
        new = [name for name in dict.fromkeys(names) if name not in self._codes]
        if not new or time.monotonic() < self._full_until_s[reserve]:
            return
        if len(self._codes) > _MOST_KNOWN:
            self._codes.clear()
        room = _MOST + _RESERVE * reserve
        pairs = [(code_of(name), name) for name in new]
        stored = await self._store.run_script(_PUT, self._store.keys.names, room, *_flat(pairs))
        for (code, name), text in zip(pairs, stored, strict=True):
            if text is not None:
                self._remember(code, text)
                self._codes[name] = code if self._names[code] == name else None
            else:  # upstream services have a source for each event, say: do not look up each of them
                self._full_until_s[reserve] = time.monotonic() + _FULL_S

    def store_again(self, names: Iterable[str]) -> ScriptBatch:
        """Return the call that stores names again which are registered, for Redis may have lost them since."""
        known = [(code, name) for name in names if (code := self._codes.get(name)) is not None]
        batch = ScriptBatch(_PUT, self._store.cluster)
        if known:
            args = batch.add_key(self._store.keys.names, range(len(known))).args
            args += (_MOST + _RESERVE, *_flat(known))
        return batch

    def code(self, name: str) -> bytes | None:
        """Return the code of a name that was registered; None for one that is written out."""
        return self._codes.get(name)

    async def load(self, codes: Collection[bytes]) -> None:
        """Read the names of codes that this process does not know. Raise Unavailable."""
        if unknown := [code for code in dict.fromkeys(codes) if code not in self._names]:
            (texts,) = await self._store.pipeline([("HMGET", self._store.keys.names, *unknown)])
            for code, text in zip(unknown, texts, strict=True):
                if text is not None:
                    self._remember(code, text)

    def name(self, code: bytes) -> str:
        """Return the name of a code that was loaded; empty for one that Redis has lost."""
        return self._names.get(code, "")

    def _remember(self, code: bytes, text: bytes) -> None:
        self._names[code] = text.decode(errors="surrogatepass")


def code_of(name: str) -> bytes:
    """Return the 4 bytes that stand for a name."""
    return blake2b(name.encode(errors="surrogatepass"), digest_size=CODE_BYTES).digest()


def _flat(pairs: Iterable[tuple[bytes, str]]) -> list[Arg]:
    return [part for pair in pairs for part in pair]
