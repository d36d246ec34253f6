"""The largest inputs that the API accepts do not stop it: other requests are answered meanwhile.

The API runs in its own thread. Its pauses are measured in CPU time of that thread, so that other work on the machine
does not count.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import httpx
import orjson
import pytest

from service.api.server import collect_less_garbage
from service.bootstrap.parts import bootstrap
from service.model.event import Event
from service.model.ids import address_pseudonym, delivery_id, event_key
from service.model.ledger import NewEntry, State
from service.model.reasons import Reason
from service.model.recipient import Contact, Group
from service.ports import MANY, EventHead
from service.settings import LimitSettings
from tests.e2e.api.served import ThreadedApi, in_thread
from tests.support.api_fixture import ACCOUNT, CATALOGUE, ApiFixture, basic, real_api, settings_for, token
from tests.support.wait import until

CONTACTS, PREFERENCES = "/api/2.0/notification_contacts/", "/api/2.0/notification_preferences/"
MAX_PAUSE_S = 0.1
NUMBER = 10_000
"""Contacts of an account: as many as it may have."""
LIMITS = LimitSettings(
    inbox="", tables="", account="", events="", operate="", passwords="", passwords_per_account="",
    passwords_per_account_and_address="", new_contacts="",
)  # fmt: skip


@dataclass
class Served(ThreadedApi):
    """`pauses_s` is the CPU time of each stretch in which the API's loop did nothing else."""

    pauses_s: list[float] = field(default_factory=list)

    @contextmanager
    def without_pauses(self, limit_s: float = MAX_PAUSE_S) -> Iterator[httpx.Client]:
        """Yield a client; at the end of the block the longest pause must have been short, and /livez answered."""
        stop, answers = threading.Event(), list[int]()

        def ask() -> None:
            with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60) as client:
                while not stop.is_set():
                    answers.append(client.get("/livez").status_code)
                    time.sleep(0.02)

        asking = threading.Thread(target=ask)
        asking.start()
        self.pauses_s.clear()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=120) as client:
                yield client
        finally:
            seen = len(self.pauses_s)
            until(lambda: len(self.pauses_s) > seen + 2)  # the last stretch is measured after its response
            longest_s = max(self.pauses_s, default=0.0)
            stop.set()
            asking.join()
        print(f"longest pause {longest_s * 1000:.0f} ms")
        assert set(answers) <= {200}
        assert longest_s < limit_s


async def _measure(pauses_s: list[float]) -> None:
    before = time.thread_time()
    while True:
        await asyncio.sleep(0.001)
        now = time.thread_time()
        pauses_s.append(now - before)
        before = now


@pytest.fixture
def served(valkey_url: str) -> Iterator[Served]:
    async def with_explain(api: ApiFixture) -> None:
        parts = bootstrap(settings_for(valkey_url))
        api.app.state.deps = replace(api.deps, explain=parts.explain())

    threshold = gc.get_threshold()
    with in_thread(lambda: real_api(valkey_url, limits=LIMITS), with_explain) as threaded:
        served = Served(threaded.api, threaded.port, threaded.loop)
        measuring = asyncio.run_coroutine_threadsafe(_measure(served.pauses_s), served.loop)
        collect_less_garbage()
        yield served
        measuring.cancel()
    gc.set_threshold(*threshold)
    gc.unfreeze()


def bearer(*scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token('alice', *scopes)}", "Content-Type": "application/json"}


def fill(served: Served) -> list[str]:
    """Give the account as many contacts as it may have; return their ids."""
    ids = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(NUMBER)]
    rows = [
        Contact(
            uuid=i,
            account=ACCOUNT,
            email=f"c{i[:8]}@example.com",
            name="N" * 100,
            main=i == ids[0],
            version=1,
        )
        for i in ids
    ]
    for start in range(0, NUMBER, 500):
        served.run(served.api.writes.put_contacts(rows[start : start + 500]))
    return ids


def test_contacts_and_preferences(served: Served) -> None:
    """Whatever one request may do with all contacts of an account."""
    with served.without_pauses() as client:
        objects = [{"email": f"n{n}@example.com", "name": "A"} for n in range(1000)]
        assert client.post(CONTACTS, json={"objects": objects}, auth=basic()).status_code == 201
    for row in served.run(served.api.deps.contacts.page(ACCOUNT, 0, 0)).rows:
        served.run(served.api.writes.delete_contact(ACCOUNT, row.uuid, 2**50))
    ids = fill(served)
    with served.without_pauses() as client:
        listed = client.get(f"{CONTACTS}?limit=0", auth=basic()).json()
        assert [row["uuid"] for row in listed["objects"]] == ids
    with served.without_pauses() as client:
        page = client.get(f"{PREFERENCES}?limit=0", auth=basic())
        assert page.headers["content-type"] == "application/json; charset=utf-8"
        preferences = page.json()
        assert preferences["meta"]["total_count"] == len(preferences["objects"])
    off = [
        {"contact": f"{CONTACTS}{i}/", "medium": "email", "type": "payment", "value": False}
        for i in ids[:7500]
    ]
    with served.without_pauses() as client:
        began = time.monotonic()
        answer = client.put(PREFERENCES, content=orjson.dumps(off), auth=basic())
        print(f"{len(off)} preferences in {time.monotonic() - began:.1f} s")
        assert (answer.status_code, answer.json()) == (202, {"objects": off})
    wrong = [*off[:-1], {**off[-1], "contact": f"{CONTACTS}none/"}]
    with served.without_pauses() as client:
        assert client.put(PREFERENCES, content=orjson.dumps(wrong), auth=basic()).status_code == 404
    with served.without_pauses() as client:
        for method, path, body in (
            ("GET", f"{CONTACTS}{ids[5]}/", None),
            ("PUT", f"{CONTACTS}{ids[5]}/", {"name": "B"}),
            ("DELETE", f"{CONTACTS}{ids[5]}/", None),
            ("PUT", PREFERENCES, off[0]),
        ):
            assert client.request(method, path, json=body, auth=basic()).status_code in (200, 202, 204)


def test_groups(served: Served) -> None:
    """The largest lists of every type that fit into a body."""
    names = [t.name for t in CATALOGUE if any(r.kind == "group" for r in t.audience)]
    body = {name: [f"{n}@e.at" for n in range(1000)] for name in names}
    with served.without_pauses() as client:
        for path in ("?external_id=g", "?external_id=g2"):
            answer = client.patch(
                f"/api/v1/notification/configure/{path}", content=orjson.dumps(body), headers=bearer("tables")
            )
            assert (answer.status_code, answer.json()) == (200, body)
    with served.without_pauses() as client:
        assert client.get("/api/v1/notification/?external_id=g", headers=bearer("tables")).json() == body


def test_events(served: Served) -> None:
    """A batch of as many events as fit into a body, and one of as many recipients."""
    one = {
        "specversion": "1.0",
        "source": "/s",
        "type": "overbid",
        "recipients": ["a"],
        "data": {"lot_id": "1"},
    }
    batch = [{**one, "id": str(n)} for n in range(8000)]
    headers = {**bearer("events"), "Content-Type": "application/cloudevents-batch+json"}
    with served.without_pauses() as client:
        answer = client.post("/v1/events", content=orjson.dumps(batch), headers=headers)
        assert (answer.status_code, len(answer.json()["accepted"])) == (202, 8000)
    many = {**one, "id": "many", "recipients": [f"r{n}" for n in range(10_000)]}
    with served.without_pauses() as client:
        answer = client.post("/v1/events", content=orjson.dumps(many), headers=bearer("events"))
        assert answer.status_code in (202, 422)


def test_inbox(served: Served) -> None:
    """A bulk request with as many ids as fit into a body, and an inbox that is full."""
    from tests.support.api_fixture import inbox_item

    items = [inbox_item("overbid", id=f"e{n}", lot_id="x" * 500) for n in range(1000)]
    for start in range(0, 1000, 100):
        served.run(served.api.add(*items[start : start + 100]))
    with served.without_pauses() as client:
        for query in (
            "",
            "?filter[status]=all",
            "?filter[type]=overbid&page[size]=1000",
            "?sort=-created_at",
        ):
            assert len(client.get(f"/notifications{query}", headers=bearer("inbox")).json()["data"]) == 1000
    large = [inbox_item("winner", "bob", id=f"l{n}", lot_id="x" * 200_000) for n in range(300)]
    for start in range(0, 300, 10):
        served.run(served.api.add(*large[start : start + 10]))
    bob = {"Authorization": f"Bearer {token('bob')}"}
    with served.without_pauses() as client:
        assert len(client.get("/notifications", headers=bob).json()["data"]) == 300
    with served.without_pauses() as client:
        page = client.get("/notifications?page[size]=1000", headers=bob).json()
        assert 20 < len(page["data"]) < 100
        assert page["links"]["next"]
    with (
        served.without_pauses() as client,
        client.stream("GET", "/v1/inbox/stream", headers=bob) as stream,
    ):
        lines = stream.iter_lines()
        data = next(line for line in lines if line.startswith("data: "))
        assert len(orjson.loads(data[6:])["data"]) == 300
        assert "event: counts" in next(line for line in lines if line.startswith("event"))
    with served.without_pauses() as client:
        assert client.post("/v1/inbox/read-all", headers=bob).json() == {"read": 300}
    costly = [
        inbox_item("winner", "carol", id=f"{n}{kind}", lot_id="x", y=data)
        for n in range(20)
        for kind, data in (("o", [{"a": 1}] * 25_000), ("l", [[]] * 60_000), ("t", ["ab"] * 40_000))
    ]
    carol = {"Authorization": f"Bearer {token('carol')}"}
    start = served.run(served.api.deps.inbox_changes.position("carol"))
    for n in range(0, len(costly), 10):
        served.run(served.api.add(*costly[n : n + 10]))
    for query in ("", "?page[size]=50"):
        with served.without_pauses() as client:
            assert len(client.get(f"/notifications{query}", headers=carol).json()["data"]) >= 20
    resumed = {**carol, "Last-Event-ID": start}
    for round_ in range(2):  # the changes; and a snapshot, where they are too large to be held together
        with (
            served.without_pauses() as client,
            client.stream("GET", "/v1/inbox/stream", headers=resumed) as stream,
        ):
            lines = stream.iter_lines()
            first = next(line for line in lines if line.startswith("event: "))
            assert first == ("event: new", "event: snapshot")[round_]
            assert next(line for line in lines if line.startswith("data: "))
        again = [one._replace(id=f"{one.id}-again") for one in costly]
        if not round_:
            for n in range(0, len(again), 10):
                served.run(served.api.add(*again[n : n + 10]))
    ids = [{"type": "notifications", "id": f"e{n}"} for n in range(10_000)]
    with served.without_pauses() as client:
        answer = client.post("/notifications", content=orjson.dumps({"data": ids}), headers=bearer("inbox"))
        assert answer.status_code == 204
        assert client.get("/counts", headers=bearer("inbox")).json() == {"data": []}


def test_explain(served: Served) -> None:
    """An event with tens of thousands of deliveries, to a large group, to contacts of a large account and to roles."""
    fill(served)
    names = [f"{n}@e.at" for n in range(1000)]
    served.run(
        served.api.writes.put_group(Group(external_id="g", addresses={"invoice_available": names}, version=1))
    )
    ledger, key = served.api.deps.ledger, event_key("/s", "e")
    event = Event(key, "e", "/s", "invoice_available", 1, 1, {}, external_id="g")
    head = EventHead(event, 86_400, MANY)

    def entry(recipient: str, rule: str, matched: str) -> NewEntry:
        found = (State.queued, Reason.none, 1, "", rule, matched)
        return NewEntry(key, delivery_id(key, recipient, "email"), recipient, "email", *found)

    entries = [entry(address_pseudonym(name), "group", "g|") for name in names]
    entries += [entry(f"{n:08d}-0000-4000-8000-000000000000", "account", ACCOUNT) for n in range(NUMBER)]
    entries += [entry(f"r{n}", "role", "admin") for n in range(30_000)]
    for start in range(0, len(entries), 1000):
        served.run(ledger.open([head], entries[start : start + 1000]))
    with served.without_pauses() as client:
        answer = client.get("/v1/explain?event=e&source=/s&limit=1000", headers=bearer("operate"))
        (shown,) = answer.json()["events"]
        assert (len(shown["deliveries"]), shown["sums"]["resolved"]) == (1000, 41_000)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/v1/recipients/alice"),
        ("PUT", "/v1/recipients/alice"),
        ("PATCH", "/api/v1/notification/configure/?external_id=g"),
        ("PUT", PREFERENCES),
        ("POST", CONTACTS),
        ("POST", "/v1/events"),
        ("POST", "/notifications"),
        ("POST", "/v1/what-if"),
        ("POST", "/v1/bounces"),
    ],
)
def test_hostile_json(served: Served, method: str, path: str) -> None:
    """JSON that is as wide, as deep or as repetitive as a body allows costs no more than its bytes."""
    number = 1_000_000
    bodies = {
        "deep": b'{"a":' * (number // 10) + b"1" + b"}" * (number // 10),
        "wide": b'{"a":[' + b"1," * (number // 2 - 20) + b"1]}",
        "lists": b'{"preferences":[' + b"[]," * (number // 3 - 20) + b"[]]}",
        "names": b"{" + b",".join(b'"%x":0' % n for n in range(90_000)) + b"}",
        "same name": b"{" + b'"a":0,' * (number // 6 - 20) + b'"a":0}',
        "objects": b"[" + b"{}," * (number // 3 - 20) + b"{}]",
        "digits": b'{"a":' + b"9" * 999_000 + b"}",
        "escapes": b'{"a":"' + b"\\u0041" * (number // 6 - 20) + b'"}',
    }
    for name, body in bodies.items():
        sent = (
            {"auth": basic()}
            if "2.0" in path
            else {"headers": bearer("tables", "events", "inbox", "operate")}
        )
        with served.without_pauses() as client:
            print(name, end=": ")
            assert 400 <= client.request(method, path, content=body, **sent).status_code < 500
