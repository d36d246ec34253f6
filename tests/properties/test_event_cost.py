"""What an event costs grows in proportion to its size, whatever it holds, and no event holds up a worker for long."""

import contextlib
import json
import time
from collections.abc import Callable

import orjson
import pytest

from service.model.event import InvalidEvent
from service.model.recipient import Recipient
from service.model.validators import time_ms
from service.pipeline.resolve.ingest import parse
from service.pipeline.resolve.strict_json import MAX_BYTES, loads
from tests.support.catalogues import small_catalogue
from tests.support.cost_growth import (
    LARGEST_PAUSE_S,
    TIMES_ORDINARY,
    assert_linear,
    assert_short,
    cpu_s,
    short_pauses,
)
from tests.support.fake_pipeline import FakePipeline

pytestmark = pytest.mark.exhaustive

_CATALOGUE = small_catalogue()
_ORDINARY = (
    b'{"lot_id":"1234","title":"A \\"nice\\" lot","price":12.5,"ends":"2026-01-01T00:00:00Z","bids":[1,2]}'
)


def array(item: bytes, begin: bytes = b"[", end: bytes = b"]") -> Callable[[int], bytes]:
    """Return a maker of arrays of an item, of about as many bytes as it is asked for."""
    return lambda size: begin + b",".join([item] * ((size - len(begin + end)) // (len(item) + 1))) + end


def keys(size: int) -> bytes:
    return b"{" + b",".join(b'"%d":1' % n for n in range(size // 10)) + b"}"


DOCUMENTS: dict[str, Callable[[int], bytes]] = {
    "objects": array(_ORDINARY),
    "different keys": keys,
    "one key many times": lambda size: b"{" + b",".join([b'"a":1'] * (size // 6)) + b"}",
    "the last key twice": lambda size: keys(size - 8)[:-1] + b',"0":1}',
    "empty objects": array(b"{}"),
    "empty arrays": array(b"[]"),
    "levels": array(b"[" * 60 + b"]" * 60),
    "open brackets": lambda size: b"[" * size,
    "open objects": lambda size: b'{"a":' * (size // 5),
    "numbers": array(b"1"),
    "long numbers": array(b"1234567890123456789"),
    "exponents": array(b"1e308"),
    "an integer": lambda size: b"[" + b"9" * (size - 2) + b"]",
    "a fraction": lambda size: b"[0." + b"9" * (size - 4) + b"]",
    "an exponent": lambda size: b"[1e" + b"9" * (size - 4) + b"]",
    "integers over 64 bits at the end": lambda size: array(b"1")(size - 24)[:-1] + b",99999999999999999999]",
    "colons in strings": array(b'":"'),
    "quotes in a string": lambda size: b'["' + b'\\":' * ((size - 4) // 3) + b'"]',
    "backslashes": lambda size: b'["' + b"\\\\" * ((size - 4) // 2) + b'"]',
    "escapes": lambda size: b'"' + b"\\u00e9" * ((size - 2) // 6) + b'"',
    "surrogate pairs": lambda size: b'"' + b"\\ud83d\\ude00" * ((size - 2) // 12) + b'"',
    "half a pair at the end": lambda size: array(b"{}")(size - 12)[:-1] + b',"\\ud800"]',
    "blanks after quotes": array(b'"' + b" " * 500 + b'"'),
    "blanks": lambda size: b" " * size,
    "quotes": lambda size: b'"' * size,
    "minus signs": array(b"-"),
    "NaN at the end": lambda size: array(b"1")(size - 6)[:-1] + b",NaN]",
    "a comma too many": lambda size: array(b"{}")(size - 1)[:-1] + b",]",
    "a byte that is not UTF-8": lambda size: b'"' + b"x" * (size - 3) + b'\xff"',
    "text": lambda size: b'"' + b"x" * (size - 2) + b'"',
    "zero bytes": bytes,
}


def read(value: bytes) -> None:
    with contextlib.suppress(InvalidEvent):
        loads(value)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_json_costs_in_proportion_to_its_size(name: str) -> None:
    """Twice the bytes cost at most 2.5 times as much, and never ten times what ordinary ones do.

    What is cheaper than ordinary bytes may cost more from a size on: its refusal is found later.
    """
    largest, ordinary = DOCUMENTS[name](MAX_BYTES), DOCUMENTS["objects"](MAX_BYTES)
    assert len(largest) <= MAX_BYTES
    cost_s, ordinary_s = cpu_s(lambda: read(largest)), cpu_s(lambda: read(ordinary))
    assert cost_s < TIMES_ORDINARY * ordinary_s
    assert cost_s < LARGEST_PAUSE_S
    if cost_s > 2 * ordinary_s:  # what costs about as much as ordinary bytes may do so from a size on
        assert_linear(DOCUMENTS[name], read, size=MAX_BYTES // 8)


Raw = tuple[bytes | None, list[tuple[str, bytes | None]]]


def structured(**fields: object) -> Raw:
    event = {"id": "1", "source": "/s", "type": "winner", "recipients": ["a"], "data": {"lot_id": "1"}}
    return json.dumps(event | fields).encode(), []


def binary(*headers: tuple[str, bytes]) -> Raw:
    required = [("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"winner"), ("ce_recipients", b"a")]
    return b'{"lot_id":"1"}', [*(pair for pair in required if pair[0] not in dict(headers)), *headers]


EVENTS: dict[str, Callable[[int], Raw]] = {
    "text": lambda size: structured(data={"lot_id": "1", "x": "y" * size}),
    "different recipients": lambda size: structured(recipients=[f"{n:06}" for n in range(size // 12)]),
    "one recipient many times": lambda size: structured(recipients=["a"] * (size // 6)),
    "recipients as text": lambda size: structured(recipients=",".join(["a"] * (size // 2))),
    "recipients as JSON in text": lambda size: structured(recipients=json.dumps(["a"] * (size // 8))),
    "blanks between recipients": lambda size: structured(recipients=" " * size + "a"),
    "recipients in a header": lambda size: binary(("ce_recipients", b",".join([b"a"] * (size // 2)))),
    "attributes": lambda size: structured(**{f"x{n}": n for n in range(size // 14)}),
    "headers": lambda size: binary(*((f"ce_x{n}", b"1") for n in range(size // 8))),
    "a header many times": lambda size: binary(*[("other", b"1")] * (size // 8)),
    "a long header": lambda size: binary(("ce_x", b"1" * size)),
    "a long name": lambda size: structured(**{"x" * size: 1}),
    "a long id": lambda size: structured(id="x" * size),
    "a long type": lambda size: structured(type="x." * (size // 2)),
    "a long time": lambda size: structured(time="2026-01-01T00:00:00." + "0" * size),
    "a long trace": lambda size: structured(traceparent="00-" + "a" * size),
    "a long content type": lambda size: (
        structured()[0],
        [("content-type", b"a/b" + b"; charset=x" * (size // 11))],
    ),
    "fields of the data": lambda size: structured(
        data={"lot_id": "1"} | {f"x{n}": n for n in range(size // 14)}
    ),
    "wrong fields": lambda size: structured(data={"lot_id": [1] * (size // 4)}),
    "base64": lambda size: structured(
        data=None, data_base64="eyJsb3RfaWQiOiI3In0" + "A" * (size // 4 * 4) + "="
    ),
    "base64 that is none": lambda size: structured(data=None, data_base64="%" * size),
}


def take(raw: Raw) -> None:
    with contextlib.suppress(InvalidEvent):
        parse(raw[0], raw[1], _CATALOGUE, 1_700_000_000_000)


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_costs_in_proportion_to_its_size(name: str) -> None:
    """The same for attributes, audience and data."""
    assert_linear(EVENTS[name], take, size=MAX_BYTES // 10)
    largest = EVENTS[name](MAX_BYTES - 300)
    assert_short(lambda: take(largest))


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00.{}Z", "{}", "2026-01-01T00:00:00Z{}", " {}", "2026-01-01T{}"]
)
def test_a_time_costs_in_proportion_to_its_size(text: str) -> None:
    """Also one that is refused."""

    def read_time(value: str) -> None:
        with contextlib.suppress(ValueError):
            time_ms(value)

    begin = time.thread_time()
    read_time(text.format("0" * 1_000_000))
    assert time.thread_time() - begin < LARGEST_PAUSE_S


COSTLY_DATA: dict[str, object] = {
    "objects": [{"a": 1}] * 25_000,
    "arrays": [[]] * 60_000,
    "texts": ["ab"] * 40_000,
    "fields": {f"k{n}": n for n in range(16_000)},
    "text": "é" * 40_000,
}


@pytest.mark.parametrize("name", COSTLY_DATA)
async def test_data_is_not_worked_on_for_each_recipient_and_every_stage_lets_others_run(name: str) -> None:
    """A delivery is the data in JSON once more, and no more; no stage holds a worker for long."""
    pipeline = FakePipeline()
    await pipeline.seed()
    recipients = [f"r{n}" for n in range(30)]
    await pipeline.tables.put_recipients(
        [Recipient(id=one, address=f"{one}@example.com") for one in recipients]
    )
    event = {"id": "1", "source": "/s", "type": "overbid", "recipients": recipients}
    value = json.dumps({**event, "data": {"lot_id": "1", "x": COSTLY_DATA[name]}}).encode()
    ordinary = json.dumps({**event, "id": "2", "data": {"lot_id": "1", "x": "y" * len(value)}}).encode()

    async def cost_s(*values: bytes) -> float:
        begin_s = time.thread_time()
        await pipeline.ingest(*values)
        return time.thread_time() - begin_s

    async with short_pauses():
        costly_s = await cost_s(value)
        for stage, made in (
            (pipeline.deliver_inbox, pipeline.records("dispatch.inbox")),
            (pipeline.deliver_email, pipeline.email_records()),
        ):
            for start in range(0, len(made), 8):  # 2 MiB, as a stage reads them
                await pipeline.run(stage, made[start : start + 8])
    parse_s = cpu_s(lambda: take((value, [])))
    write_s = cpu_s(lambda: orjson.dumps(orjson.loads(value)))
    assert costly_s < await cost_s(ordinary) + 2 * parse_s + 2 * 2 * len(recipients) * write_s


async def test_a_batch_of_costly_events_lets_others_run() -> None:
    """Between two turns of the event loop, parsing uses less than 50 ms of CPU, however large the batch is."""
    pipeline = FakePipeline()
    await pipeline.seed()
    documents = [make(MAX_BYTES) for make in DOCUMENTS.values() for _ in range(2)]
    events = [structured(data={"lot_id": "1", "x": "y" * 200_000}, id=str(n))[0] or b"" for n in range(20)]
    async with short_pauses() as pauses_s:
        await pipeline.ingest(*documents, *events)
    assert len(pauses_s) > len(documents)
