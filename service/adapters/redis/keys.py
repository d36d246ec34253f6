"""Every key in Redis, in one place.

Keys that belong together have the same hash tag, the part in braces, and so the same slot of a cluster: a script may
use all of them. Ids are escaped, because an id with a brace in it would otherwise choose its own slot.

| key | type | value |
|---|---|---|
| `complete` | string | `yes`, or why nothing may be sent; on a cluster `complete:{TAG}`, one a slot |
| `probe` | string | written by readiness checks; on a cluster `probe:{TAG}`, one a primary |
| `checkpoints` | hash | time (ms) → positions in Kafka, JSON: what Redis contains since then |
| `checkpoint` | string | time (ms) of the newest checkpoint; on a cluster `checkpoint:{TAG}`, one a sampled slot |
| `lineage` | string | `GENERATION ID ID …`: replication ids of the servers whose data are known to be whole |
| `caught-up` | string | the last catch-up from Kafka, JSON |
| `{t:TASK}:turn` | string | the process that does a task which one at a time does; expires by itself |
| `rebuild` | hash | during a rebuild: `DELIVERY:ATTEMPT` → when the attempt after it is due (ms) |
| `{r:ID}:row` | string | a recipient, JSON; after deletion `-VERSION`, a tombstone for 30 days |
| `{r:ID}:deliveries` | sorted set | delivery ids, 20 bytes each, by time (ms): the ledger's index by recipient |
| `{r:ID}:deliveries:older` | list | pages of older ones, 64 each: time (6 bytes) and id |
| `{r:ID}:inbox` | hash | entry id → `CREATED⇥READ⇥EXPIRES⇥TYPE⏎JSON` (ms; READ 0: unread, EXPIRES 0: never) |
| `{r:ID}:inbox:unread`, `:read` | sorted set | entry ids by created_ms |
| `{r:ID}:inbox:counts` | hash | type → unread entries; `@next`, `@last`: first and last expiry (ms) |
| `{r:ID}:inbox:seen` | sorted set | ids of dropped entries, by their expiry (ms): no replay adds them again |
| `{r:ID}:inbox:changes` | stream | entry id → `new`, `read`, `removed`; kept while a client listens, an hour longer |
| `{r:ID}:mails` | sorted set | counted mails by time (ms), 20 bytes each; kept for 25 h after the last use |
| `{r:ID}:mails:type:TYPE` | sorted set | those of a type that has a limit; `{r:ID}:mails:types` are these types |
| `…:waiting`, `…:times` | sorted set | of both: mails that wait for room, by lane and arrival; by their time (ms) |
| `{r:ID}:held` | sorted set | ids (20 bytes) of deliveries in the due set that may be held, by until when (ms) |
| `{r:ID}:digests` | hash | digest → `OPENED DUE SEALED BYTES WINDOW`; kept for 10 days after the last is due |
| `{r:ID}:digests:open`, `:items` | hash | window key → its open digest; item (20 bytes) → its digest |
| `{r:ID}:digests:DIGEST` | list | the items of a digest: id (20 bytes) and delivery, JSON |
| `{g:EXT\x7fPROJECT}:row` | string | a group, JSON; tombstone as a recipient's |
| `{a:ACCOUNT}:contacts` | hash | uuid → contact, JSON |
| `{a:ACCOUNT}:contacts:order` | sorted set | uuids, the main contact's with score 0, the others' with 1 |
| `{a:ACCOUNT}:contacts:gone` | hash | uuid → version of a deleted contact |
| `{h:ROLE}:holders` | sorted set | recipient ids with score 0, in id order; the empty role has all recipients |
| `{l:SHARD.SALT}` | string | a shard of the ledger, 0 to 63: its segments; the salt chooses the slot |
| `{l:SHARD.SALT}:SEGMENT:N` | hash | a bucket: heads of events and rows of deliveries, see `ledger_functions.lua` |
| `{l}:names` | hash | code → name of a type, source or topic that heads of events share |
| `{s:KEY}:newest` | string | `TIME⇥EVENT`: the newest event of a supersede key |
| `{v:KEY}:events` | sorted set | recent events of a supersede key by time (ms) |
| `{v:KEY}:events:withdrawn` | string | up to which time (ms) a supersede key is withdrawn |
| `{x:ADDRESSKEY}:suppressed` | string | a suppression, JSON: reason, time, detail; after deletion a tombstone |
| `{x:ADDRESSKEY}:soft` | string | `SCORE⇥AT`: score of recent soft bounces, which halves every week |
| `{n:KEY}:unsubscribed` | string | an unsubscribe, JSON; after deletion a tombstone |
| `{v:RELAY}:rate`, `{v:RELAY\x7fDOMAIN}:rate` | string | when the next message may go there (µs) |
| `{f:EVENT}:position` | string | how far a wide event has been dispatched, JSON; kept for a day at most |
| `{d:SHARD}:due` | sorted set | delivery id → when it is due, or its lease ends (ms) |
| `{d:SHARD}:due:deliveries`, `:tokens` | hash | delivery id → delivery, JSON; → `TOKEN DUE` of its lease |
| `{d:SHARD}:due:standing` | hash | delivery id → `LANE:STATE`, the sorted set below that it is in |
| `{d:SHARD}:due:LANE:STATE` | sorted set | delivery id by when its event was received (ms); `LANE:held:REASON` |
| `{d:LANE}:held` | sorted set | `EVENT:DELIVERY` by time (ms): held for an operator, or decided since |
| `{w:OWNER}:alive` | string | heartbeat of a worker's owner epoch; exists until its TTL is over |
| `{w}:workers` | hash | worker → report on its stages and relays, JSON; kept for an hour |
| `{w}:stages` | hash | stage → when a worker last reported that it runs it (ms); kept for 30 days |
| `{c:ACCOUNT}:credential` | string | an account's credential, JSON; after deletion a tombstone |
| `{k}:keys`, `:order`, `:gone` | | API key id → API key, JSON; stored as an account's contacts |
| `{t:LIMIT}:taken` | string | requests of a caller in a window of a rate limit; expires with the window |
| `{l:ROW}:lock` | string | token of the row's writer; expires by itself |
| `{o:ID}:operation` | hash | how far an operator's operation is, JSON; whether to cancel it; kept for a week |
| `{q:HASH}:ticket` | string | `UNTIL⏎RECIPIENT`: a ticket of a live stream, by its secret's hash; kept for 30 s |
| `{q:SESSION}:ended` | string | a console session that was signed out; kept while it could have been used |
| `{q:KEY}:request` | string | `FINGERPRINT⏎ANSWER` of an Idempotency-Key; no answer yet while the request runs |
"""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from urllib.parse import quote, unquote
from zlib import crc32

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from service.model.ids import LEDGER_SHARDS

DUE_SHARDS = 16
_UNESCAPED = (
    "!\"#$&'()*+,-./:;<=>?@[]^_`|~"  # printable ASCII but space, braces, backslash and the percent sign
)
_PLAIN = re.compile(r"[\w!\"#$&'()*+,\-./:;<=>?@\[\]^`|~]*", re.ASCII).fullmatch  # nothing to be escaped


def escape(text: str) -> str:
    """Percent-encode each character that could break a key or a line. `unescape` reverses it."""
    return text if (text.isascii() and text.isalnum()) or _PLAIN(text) else _escape(text)


@lru_cache(maxsize=65_536)
def _escape(text: str) -> str:
    return quote(text, safe=_UNESCAPED, errors="surrogatepass")


def unescape(text: str) -> str:
    """Return the text that was passed to `escape`."""
    return unquote(text, errors="surrogatepass") if "%" in text else text


@cache
def _ledger_tags() -> Sequence[str]:
    """Return the hash tag of each shard of the ledger, such that the slots of the shards are evenly spaced.

    The primaries of a cluster have ranges of slots, and so each about as many shards as the others.
    """
    tags = []
    for shard in range(LEDGER_SHARDS):
        salt = 0
        while key_slot(f"l:{shard}.{salt}".encode()) * LEDGER_SHARDS // REDIS_CLUSTER_HASH_SLOTS != shard:
            salt += 1
        tags.append(f"l:{shard}.{salt}")
    return tags


class Keys:
    """The keys under one prefix. Suffixes that scripts append (`:unread`, …) are in the table above."""

    __slots__ = ("prefix",)

    def __init__(self, prefix: str) -> None:
        if "{" in prefix or "}" in prefix:
            raise ValueError("the prefix of Redis keys must not contain braces: they choose the slot")
        self.prefix = prefix

    @property
    def complete(self) -> str:
        """Return the mark that Redis is complete."""
        return f"{self.prefix}complete"

    @property
    def probe(self) -> str:
        """Return the key that readiness checks write; on a cluster the beginning of such keys."""
        return f"{self.prefix}probe"

    @property
    def lineage(self) -> str:
        """Return the servers whose data are known to be whole."""
        return f"{self.prefix}lineage"

    @property
    def checkpoints(self) -> str:
        """Return the checkpoints."""
        return f"{self.prefix}checkpoints"

    @property
    def checkpoint(self) -> str:
        """Return the time of the newest checkpoint; on a cluster the beginning of its keys."""
        return f"{self.prefix}checkpoint"

    @property
    def last_catch_up(self) -> str:
        """Return the last catch-up."""
        return f"{self.prefix}caught-up"

    def turn(self, task: str) -> str:
        """Return the process that does a task."""
        return f"{self.prefix}{{t:{task}}}:turn"

    @property
    def pending_retries(self) -> str:
        """Return the pending retries of a rebuild."""
        return f"{self.prefix}rebuild"

    def recipient(self, recipient: str) -> str:
        """Return a recipient's row."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:row"

    def deliveries(self, recipient: str) -> str:
        """Return a recipient's entry in the ledger's index."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:deliveries"

    def inbox(self, recipient: str) -> str:
        """Return a recipient's inbox; scripts derive its other keys from this one."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:inbox"

    def mails(self, recipient: str) -> str:
        """Return the counts of a recipient's mails; scripts derive its other keys from this one."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:mails"

    def digests(self, recipient: str) -> str:
        """Return a recipient's digests; scripts derive its other keys from this one."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:digests"

    def held_of(self, recipient: str) -> str:
        """Return the index of the deliveries that are held for a recipient until a time."""
        return f"{self.prefix}{{r:{escape(recipient)}}}:held"

    def fan_out(self, event: str) -> str:
        """Return how far a wide event has been dispatched."""
        return f"{self.prefix}{{f:{event}}}:position"

    def group(self, external_id: str, project_id: str) -> str:
        """Return a group's row."""
        return f"{self.prefix}{{g:{escape(external_id)}\x7f{escape(project_id)}}}:row"

    def contacts(self, account: str) -> str:
        """Return an account's contacts."""
        return f"{self.prefix}{{a:{escape(account)}}}:contacts"

    def role_members(self, role: str) -> str:
        """Return the recipients with a role."""
        return f"{self.prefix}{{h:{escape(role)}}}:holders"

    def ledger_shard(self, shard: int) -> str:
        """Return a shard of the ledger, by the first byte of the keys of its events; scripts append the bucket."""
        return f"{self.prefix}{{{_ledger_tags()[shard]}}}"

    @property
    def names(self) -> str:
        """Return the names that many events share."""
        return f"{self.prefix}{{l}}:names"

    def newest(self, key: str) -> str:
        """Return the newest event of a supersede key."""
        return f"{self.prefix}{{s:{escape(key)}}}:newest"

    def recent_events(self, key: str) -> str:
        """Return the recent events of a supersede key."""
        return f"{self.prefix}{{v:{escape(key)}}}:events"

    def suppressed(self, address_key: str) -> str:
        """Return the suppression of an address, by its `address_key`."""
        return f"{self.prefix}{{x:{address_key}}}:suppressed"

    def soft_bounces(self, address_key: str) -> str:
        """Return the soft bounce score of an address, by its `address_key`."""
        return f"{self.prefix}{{x:{address_key}}}:soft"

    def unsubscribed(self, key: str) -> str:
        """Return the unsubscribe with an `unsubscribe_key`."""
        return f"{self.prefix}{{n:{key}}}:unsubscribed"

    def rate(self, relay: str, domain: str = "") -> str:
        """Return the time of the next message to a relay, or through it to a domain."""
        name = f"{escape(relay)}\x7f{escape(domain)}" if domain else escape(relay)
        return f"{self.prefix}{{v:{name}}}:rate"

    def due_shard(self, shard: int) -> str:
        """Return the key of one shard of the due set."""
        return f"{self.prefix}{{d:{shard:02d}}}:due"

    def held(self, lane: str) -> str:
        """Return the deliveries held for an operator."""
        return f"{self.prefix}{{d:{lane}}}:held"

    def due_shard_of(self, delivery: str) -> str:
        """Return the shard of the due set in which a delivery waits."""
        return self.due_shard(crc32(delivery.encode(errors="surrogatepass")) % DUE_SHARDS)

    def credential(self, account: str) -> str:
        """Return an account's credential."""
        return f"{self.prefix}{{c:{escape(account)}}}:credential"

    @property
    def api_keys(self) -> str:
        """Return the API keys."""
        return f"{self.prefix}{{k}}:keys"

    def rate_limit(self, window: str) -> str:
        """Return the count of requests in a window of a caller's rate limit."""
        return f"{self.prefix}{{t:{escape(window)}}}:taken"

    def lock(self, row: str) -> str:
        """Return the lock of a row."""
        return f"{self.prefix}{{l:{escape(row)}}}:lock"

    def idempotent_request(self, key: str) -> str:
        """Return the request with an Idempotency-Key."""
        return f"{self.prefix}{{q:{escape(key)}}}:request"

    def stream_ticket(self, hash_: str) -> str:
        """Return the ticket of a live stream, by the hash of its secret."""
        return f"{self.prefix}{{q:{hash_}}}:ticket"

    def ended_session(self, session: str) -> str:
        """Return the note that a session of the console was signed out."""
        return f"{self.prefix}{{q:{escape(session)}}}:ended"

    def operation(self, id_: str) -> str:
        """Return how far an operation is."""
        return f"{self.prefix}{{o:{escape(id_)}}}:operation"

    def worker_reports(self) -> str:
        """Return the hash of the workers' reports."""
        return f"{self.prefix}{{w}}:workers"

    def stage_runs(self) -> str:
        """Return the hash of the times at which a worker last ran each stage."""
        return f"{self.prefix}{{w}}:stages"

    def heartbeat(self, owner: str) -> str:
        """Return the heartbeat of an owner epoch."""
        return f"{self.prefix}{{w:{escape(owner)}}}:alive"
