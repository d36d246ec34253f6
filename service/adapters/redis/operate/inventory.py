"""Counts and checksums of everything in Redis, one per table; a checksum does not depend on any order.

Two Redis with the same counts and checksums hold the same rows, the same inboxes with their read marks, and the same
deliveries with their states. The history of a delivery and the owner of a claim are not part of it: Kafka does not have
them.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from service.adapters.redis.client import Store
from service.adapters.redis.ledger.heads import withdrawn_at
from service.adapters.redis.ledger.rows import entry_of
from service.adapters.redis.ledger.scan import ScannedRow, scan_ledger
from service.adapters.redis.script_batch import Command
from service.adapters.redis.tables.rows import is_current
from service.model.ledger import State, is_open
from service.ports import TableCount

TABLES = (
    "recipients",
    "groups",
    "contacts",
    "accounts",
    "api-keys",
    "suppressions",
    "unsubscribes",
    "inbox",
    "ledger",
    "withdrawals",
    "soft-bounces",
    "due",
    "digests",
)
_KEYS_A_CALL = 100
# letter of the hash tag and suffix of a key → its table, the command that reads it
_TABLE_OF: Mapping[tuple[str, str], tuple[str, str]] = {
    ("r", "row"): ("recipients", "GET"),
    ("g", "row"): ("groups", "GET"),
    ("c", "credential"): ("accounts", "GET"),
    ("x", "suppressed"): ("suppressions", "GET"),
    ("x", "soft"): ("soft-bounces", "GET"),
    ("v", "events:withdrawn"): ("withdrawals", "GET"),
    ("n", "unsubscribed"): ("unsubscribes", "GET"),
    ("a", "contacts"): ("contacts", "HGETALL"),
    ("k", "keys"): ("api-keys", "HGETALL"),
    ("r", "inbox"): ("inbox", "HGETALL"),
    ("d", "due"): ("due", "ZRANGE"),
    ("r", "digests:items"): ("digests", "HGETALL"),
}
_KEY = re.compile(r"\{([a-z])(?::(.*))?\}(?::(.*))?", re.DOTALL)


async def inventory(store: Store) -> list[TableCount]:
    """Return the count and checksum of every table. Raise Unavailable.

    Reads all of Redis, a few keys at a time, and needs some 100 bytes of memory a key.
    """
    rows: defaultdict[str, int] = defaultdict(int)
    checksums: defaultdict[str, int] = defaultdict(int)
    seen: set[int] = set()  # SCAN may return a key twice
    async for names in _scan(store):
        new = [
            (name, *key_table)
            for name in names
            if (key_table := _table_of(name, store)) and _is_new(name, seen)
        ]
        for start in range(0, len(new), _KEYS_A_CALL):
            part = new[start : start + _KEYS_A_CALL]
            replies = await store.pipeline([_read(name, command) for name, _, command in part])
            for (name, table_of_key, _), reply in zip(part, replies, strict=True):
                for table, content in _rows(table_of_key, reply):
                    rows[table] += 1
                    checksums[table] += _hash(f"{table}\0{_tag(name, table)}\0".encode() + content)
    async for table, content in _ledger_rows(store):
        rows[table] += 1
        checksums[table] += _hash(f"{table}\0".encode() + content)
    return [TableCount(table, rows[table], f"{checksums[table] % 2**64:016x}") for table in TABLES]


async def holds_rows(store: Store) -> bool:
    """Return whether there is any row, inbox entry or delivery. Raise Unavailable."""
    async for names in _scan(store):
        if any(_table_of(name, store) for name in names):
            return True
    async for part in scan_ledger(store):
        if part.heads or part.rows:
            return True
    return False


async def _scan(store: Store) -> AsyncIterator[Sequence[str]]:
    async for names in store.scan_keys("*"):
        yield [name.decode(errors="surrogateescape") for name in names]


def _table_of(name: str, store: Store) -> tuple[str, str] | None:
    """Return the table of a key, and the command that reads it; None for a key that belongs to no table."""
    match = _KEY.fullmatch(name[len(store.keys.prefix) :])
    if match is None:
        return None
    tag_letter, suffix = match[1], match[3] or ""
    return _TABLE_OF.get((tag_letter, suffix))


def _tag(name: str, table: str) -> str:
    """Return what a key adds to the hash of its rows.

    Only the hash tag; nothing for the due set, whose shards are no part of a delivery.
    """
    tag = name[name.rfind("{") + 1 : name.rfind("}")]
    return "" if table == "due" else tag


def _read(name: str, command: str) -> Command:
    key = name.encode(errors="surrogateescape")
    return (command, key, 0, -1) if command == "ZRANGE" else (command, key)


def _rows(table: str, reply: Any) -> Iterator[tuple[str, bytes]]:
    """Yield the rows under one key, each with its table."""
    match table:
        case "contacts" | "api-keys":
            yield from ((table, row) for row in reply.values())
        case "inbox" | "digests":
            yield from ((table, item + b"\0" + entry) for item, entry in reply.items())
        case "due":
            yield from ((table, delivery) for delivery in reply)
        case (
            "soft-bounces"
        ):  # the score and its time: the log does not have the deliveries that counted today
            yield table, b"\t".join(reply.split(b"\t")[:2])
        case _ if is_current(reply):
            yield table, reply


async def _ledger_rows(store: Store) -> AsyncIterator[tuple[str, bytes]]:
    """Yield the deliveries, and the withdrawals of events, each with its table."""
    async for part in scan_ledger(store):
        for row in part.rows:
            yield "ledger", _delivery(row)
        for event, head in part.heads.items():
            if (withdrawn_ms := withdrawn_at(head)) is not None:
                yield "withdrawals", f"{event}\0{withdrawn_ms}".encode()


def _delivery(scanned: ScannedRow) -> bytes:
    """Return a delivery's recipient, channel and state; while it is open, not its reason."""
    entry = entry_of(*scanned)
    step = entry.newest_step
    state, reason = step.state, step.reason.value
    if is_open(state):
        state, reason = (State.queued if state is State.sending else state), ""
    return "\0".join((entry.delivery, entry.recipient, entry.channel, state, reason)).encode(
        errors="surrogatepass"
    )


def _is_new(name: str, seen: set[int]) -> bool:
    name_hash = _hash(name.encode(errors="surrogateescape"))
    if name_hash in seen:
        return False
    seen.add(name_hash)
    return True


def _hash(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big")
