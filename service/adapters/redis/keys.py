"""Every key in Redis, in one place.

What belongs together has the same hash tag, the part in braces, and so the same slot of a cluster: a script
may touch all of it. Ids are escaped, because an id with a brace in it would otherwise choose its own slot.

| key | type | what |
|---|---|---|
| `complete` | string | `yes`, or why nothing may be sent; on a cluster `complete:{TAG}`, one a slot |
| `rebuild` | hash | during a rebuild: delivery id → its next attempt (ms), attempts so far |
| `{r:ID}:row` | string | a recipient, JSON; after deletion `-VERSION` for a while |
| `{r:ID}:deliveries` | sorted set | `EVENT:DELIVERY` by time (ms): the ledger's index by recipient |
| `{r:ID}:inbox` | hash | entry id → `CREATED⇥READ⇥EXPIRES⇥TYPE⏎JSON` (ms; READ 0: unread, EXPIRES 0: never) |
| `{r:ID}:inbox:unread`, `:read` | sorted set | entry ids by created_ms |
| `{r:ID}:inbox:counts` | hash | type → unread entries; `@next`, `@last`: when something, all expires (ms) |
| `{r:ID}:inbox:seen` | sorted set | ids of entries that are gone: no replay brings them back |
| `{r:ID}:inbox:changes` | stream | entry id → `new`, `read`, `removed` |
| `{g:EXT\x7fPROJECT}:row` | string | a group, JSON |
| `{a:ACCOUNT}:contacts` | hash | uuid → contact, JSON |
| `{a:ACCOUNT}:contacts:order` | sorted set | uuids, the main contact's with score 0, the others' with 1 |
| `{a:ACCOUNT}:contacts:gone` | hash | uuid → version of a deleted contact |
| `{h:ROLE}:holders` | sorted set | recipient ids with score 0, in id order; without a role: everyone |
| `{e:EVENT}` | hash | the ledger: delivery → row; `@` the head, `@w` 1 when sharded, `@x` withdrawn at (ms) |
| `{e:EVENT}:00` … `:ff` | hash | rows of a sharded event, by the first two digits of the delivery id |
| `{n:ID}:keys` | string | keys of the events with this id, one a source, blanks between: the ledger's index by id |
| `{s:KEY}:newest` | string | `TIME⇥EVENT`: the newest event of a supersede key |
| `{v:KEY}:events` | sorted set | recent events of a supersede key by time (ms) |
| `{v:KEY}:events:withdrawn` | string | up to which time (ms) a supersede key is withdrawn |
| `{i:ITEM}:owner` | string | whose inbox entry it is |
| `{x:ADDRESSKEY}:suppressed` | string | JSON: reason, time, detail |
| `{x:ADDRESSKEY}:soft` | string | `SCORE⇥AT`: soft bounces of late, halved every week |
| `{n:KEY}:unsubscribed` | string | an unsubscribe, JSON; after deletion `-VERSION` for a while |
| `{v:RELAY}:rate`, `{v:RELAY\x7fDOMAIN}:rate` | string | when the next mail may go there (µs) |
| `{d:SHARD}:due` | sorted set | delivery id → when it is due, or its lease ends (ms) |
| `{d:SHARD}:due:deliveries`, `:tokens` | hash | delivery id → delivery, JSON; → token of its lease |
| `{d:SHARD}:due:standing` | hash | delivery id → `LANE:STATE`, the list below that it is in |
| `{d:SHARD}:due:LANE:STATE` | sorted set | delivery id by when its event came in (ms) |
| `{d:LANE}:held` | sorted set | `EVENT:DELIVERY` of what an operator decides, or has, by when it was held (ms) |
| `{w:OWNER}:alive` | string | a worker's sign of life |
| `{c:ACCOUNT}:credential` | string | an account's credential, JSON; after deletion `-VERSION` for a while |
| `{k}:keys`, `:order`, `:gone` | | API key id → API key, JSON; as an account's contacts are kept |
| `{l:ROW}:lock` | string | who writes the row; ends by itself |
| `{q:KEY}:request` | string | `FINGERPRINT⏎ANSWER` of an Idempotency-Key; no answer yet while it runs |
"""

import re
from functools import lru_cache
from urllib.parse import quote, unquote
from zlib import crc32

DUE_SHARDS = 16
LEDGER_SHARDS = tuple(f"{byte:02x}" for byte in range(256))
_KEPT = "!\"#$&'()*+,-./:;<=>?@[]^_`|~"  # printable ASCII but space, braces, backslash and the percent sign


_PLAIN = re.compile(r"[\w!\"#$&'()*+,\-./:;<=>?@\[\]^`|~]*", re.ASCII).fullmatch  # nothing to be escaped


def escape(text: str) -> str:
    """Percent-encoded wherever a character could break a key or a line. `unescape` undoes it."""
    return text if (text.isascii() and text.isalnum()) or _PLAIN(text) else _escape(text)


@lru_cache(maxsize=65_536)
def _escape(text: str) -> str:
    return quote(text, safe=_KEPT, errors="surrogatepass")


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    return unquote(text, errors="surrogatepass") if "%" in text else text


class Keys:
    """The keys under one prefix. Names that scripts add (`:unread`, …) are in the table above."""

    __slots__ = ("prefix",)

    def __init__(self, prefix: str) -> None:
        if "{" in prefix or "}" in prefix:
            raise ValueError("the prefix of Redis keys must not contain braces: they choose the slot")
        self.prefix = prefix

    @property
    def complete(self) -> str:
        """The marker that the tables are complete."""
        return f"{self.prefix}complete"

    @property
    def rebuild(self) -> str:
        """What a rebuild notes down."""
        return f"{self.prefix}rebuild"

    def recipient(self, recipient: str) -> str:
        """A recipient's row."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:row"

    def deliveries(self, recipient: str) -> str:
        """The ledger's index of a recipient."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:deliveries"

    def inbox(self, recipient: str) -> str:
        """A recipient's inbox; scripts derive its other keys from this one."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:inbox"

    def group(self, external_id: str, project_id: str) -> str:
        """A group's row."""
        return f"{self.prefix}{{g:{escape(external_id)}\x7f{escape(project_id)}}}:row"

    def contacts(self, account: str) -> str:
        """An account's contacts."""
        return f"{self.prefix}{{a:{escape(account)}}}:contacts"

    def holders(self, role: str) -> str:
        """Who has a role."""
        return f"{self.prefix}{{h:{escape(role)}}}:holders"

    def event(self, event: str) -> str:
        """The ledger of an event."""
        return f"{self.prefix}{{e:{escape(event)}}}"

    def named(self, event_id: str) -> str:
        """The ledger's index by an event's own id."""
        return f"{self.prefix}{{n:{escape(event_id)}}}:keys"

    def newest(self, key: str) -> str:
        """The newest event of a supersede key."""
        return f"{self.prefix}{{s:{escape(key)}}}:newest"

    def noted(self, key: str) -> str:
        """The recent events of a supersede key."""
        return f"{self.prefix}{{v:{escape(key)}}}:events"

    def owner(self, item: str) -> str:
        """Whose inbox entry it is."""
        return f"{self.prefix}{{i:{escape(item)}}}:owner"

    def suppressed(self, address_key: str) -> str:
        """The suppression of an address, given by its `address_key`."""
        return f"{self.prefix}{{x:{address_key}}}:suppressed"

    def soft_bounces(self, address_key: str) -> str:
        """The score of an address, given by its `address_key`."""
        return f"{self.prefix}{{x:{address_key}}}:soft"

    def unsubscribed(self, key: str) -> str:
        """The unsubscribe of an `unsubscribe_key`."""
        return f"{self.prefix}{{n:{key}}}:unsubscribed"

    def rate(self, relay: str, domain: str = "") -> str:
        """When the next mail may go to a relay, or through it to a domain."""
        name = f"{escape(relay)}\x7f{escape(domain)}" if domain else escape(relay)
        return f"{self.prefix}{{v:{name}}}:rate"

    def due(self, shard: int) -> str:
        """One part of the due set."""
        return f"{self.prefix}{{d:{shard:02d}}}:due"

    def held(self, lane: str) -> str:
        """What was held for an operator."""
        return f"{self.prefix}{{d:{lane}}}:held"

    def due_of(self, delivery: str) -> str:
        """The part of the due set in which a delivery waits."""
        return self.due(crc32(delivery.encode(errors="surrogatepass")) % DUE_SHARDS)

    def credential(self, account: str) -> str:
        """An account's credential."""
        return f"{self.prefix}{{c:{escape(account)}}}:credential"

    @property
    def api_keys(self) -> str:
        """All API keys."""
        return f"{self.prefix}{{k}}:keys"

    def lock(self, row: str) -> str:
        """Who writes a row."""
        return f"{self.prefix}{{l:{escape(row)}}}:lock"

    def request(self, key: str) -> str:
        """The request that an Idempotency-Key stands for."""
        return f"{self.prefix}{{q:{escape(key)}}}:request"

    def alive(self, owner: str) -> str:
        """A worker's sign of life."""
        return f"{self.prefix}{{w:{escape(owner)}}}:alive"
