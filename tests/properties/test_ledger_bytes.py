"""Bytes of the ledger: what is written is read back, and what is cut off or random is refused by ValueError alone."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from service.adapters.redis.ledger.heads import (
    code_in,
    head_bytes,
    head_of,
    spread_of,
    withdrawn_at,
    withdrawn_bytes,
)
from service.adapters.redis.ledger.names import code_of
from service.adapters.redis.ledger.rows import (
    current_of_row,
    entry_of,
    first_row,
    restored_row,
    step_list,
    steps_in,
    transition_step,
)
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.event import Event
from service.model.ids import address_pseudonym, delivery_id, event_key
from service.model.ledger import HistoryStep, NewEntry, State, Transition
from service.model.reasons import Reason
from service.model.restored_history import INSERTED, RESTORED, LoggedDelivery
from service.ports import MANY, EventHead, EventPosition

KEY = event_key("s", "i")
UUID = "6f1c4a0e-0000-4000-8000-00000000000a"
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=30),
    st.builds(lambda character, n: character * n, st.sampled_from("xé☃😀"), st.integers(60, 1024)),
    st.sampled_from(
        [
            "\ud800\udfff",
            "\x01",
            "\xfc\xff",
            UUID,
            UUID.upper(),
            address_pseudonym("a@x.test"),
            "addr-" + "g" * 24,
        ]
    ),
)
DETAILS = TEXTS.filter(lambda text: text.strip() != "\x01")
"""Texts of steps. \\x01 alone marks a step that a rebuild inserted."""
TIMES = st.integers(-(2**60), 2**60)
STEP_TIMES = st.integers(0, 2**48 - 1)
ATTEMPTS = st.integers(0, 4095)


class KnownNames:
    """The names that Redis has, as `Names` after `register`: those of so many parts."""

    def __init__(self, *parts: int) -> None:
        self._parts = parts
        self._names: dict[bytes, str] = {}

    def code(self, name: str) -> bytes | None:
        if name.count("\x1f") + 1 not in self._parts:
            return None
        self._names[code_of(name)] = name
        return code_of(name)

    def name(self, code: bytes) -> str:
        return self._names[code]


TYPES = TEXTS.filter(lambda text: "\x1f" not in text)
POSITIONS = st.builds(EventPosition, TYPES, st.integers(0, 2**31), st.integers(0, 2**63))
EVENTS = st.builds(
    Event,
    key=st.just(KEY), id=TEXTS, source=TEXTS, type=TYPES, time_ms=TIMES, received_ms=STEP_TIMES,
    data=st.just({}), traceparent=st.none(), supersede=st.none(), extensions=st.just({}),
    recipients=st.none() | st.integers(0, 20_000).map(lambda n: ("r",) * n),
    external_id=st.none() | TEXTS, project_id=TEXTS, account=st.none() | TEXTS, actor=st.none() | TEXTS,
    expires_ms=st.none() | TIMES, stated_ms=st.none() | TIMES,
)  # fmt: skip
HEADS = st.builds(EventHead, EVENTS, st.integers(0, 2**40), st.integers(MANY, 10**7), st.none() | POSITIONS)
FIRST_STATES = st.sampled_from(State)
NEW_ENTRIES = st.builds(
    NewEntry,
    st.just(KEY), st.just(delivery_id(KEY, "r", "email")), TEXTS, st.sampled_from(Channel), FIRST_STATES,
    st.sampled_from(Reason), STEP_TIMES, DETAILS, st.just("") | st.sampled_from(AudienceRule), TEXTS,
)  # fmt: skip
STEPS = st.lists(
    st.builds(
        HistoryStep,
        FIRST_STATES,
        st.sampled_from(Reason),
        STEP_TIMES,
        ATTEMPTS,
        DETAILS,
        DETAILS | st.just(INSERTED),
    ),
    min_size=1,
    max_size=5,
)


def written(text: str) -> str:
    """Return the part of a detail that a step keeps."""
    return " ".join(text[:300].split())


def expected_head(head: EventHead) -> dict[str, Any]:
    event, names = head.event, ("type", "source", "id", "time_ms", "received_ms")
    kept = {"key": KEY} | {name: getattr(event, name) for name in names}
    kept |= {
        name: value
        for name in ("external_id", "project_id", "account", "actor", "expires_ms", "stated_ms")
        if (value := getattr(event, name)) is not None and value != ""
    }
    if event.recipients is not None:
        kept["recipients"] = len(event.recipients)
    if head.position:
        kept["position"] = ":".join(map(str, head.position))
    return kept


@given(HEADS, st.sampled_from([(), (2,), (3,)]), st.none() | STEP_TIMES)
def test_a_head_is_read_back(head: EventHead, coded: tuple[int, ...], withdrawn_ms: int | None) -> None:
    """With all names, two or none as a code; a withdrawal is put in by the scripts, as here."""
    names: Any = KnownNames(*coded)
    octets, expected = head_bytes(head, names), expected_head(head)
    assert octets[0] % 16 == spread_of(head.deliveries)
    assert withdrawn_at(octets) is None
    if withdrawn_ms is not None:
        octets = bytes((octets[0] + 32,)) + withdrawn_bytes(withdrawn_ms)[1:] + octets[1:]
        expected["withdrawn_ms"] = withdrawn_ms
    assert head_of(KEY, octets, names) == expected
    assert withdrawn_at(octets) == withdrawn_ms
    if coded:
        assert len(code_in(octets)) == 4


def test_the_spread_grows_with_the_deliveries() -> None:
    """An event of fewer than 64 deliveries has one bucket, others one for each 32 to 64, and unknown many have many."""
    assert [spread_of(n) for n in (0, 63, 64, 127, 128, 100_000, 10**9, MANY)] == [0, 0, 1, 1, 2, 11, 15, 14]


@given(HEADS.filter(lambda head: len(head.event.id) < 100), st.data())
def test_a_head_that_is_cut_off_is_refused(head: EventHead, data: st.DataObject) -> None:
    """By the one error that readers expect; so is a withdrawal without its time."""
    names: Any = KnownNames(3)
    octets = head_bytes(head, names)
    cut = octets[: data.draw(st.integers(0, len(octets) - 1))]
    assert raises_value_error(lambda: head_of(KEY, cut, names))
    assert raises_value_error(lambda: code_in(cut))
    assert raises_value_error(lambda: head_of(KEY, withdrawn_bytes(7)[:-1], names))


def raises_value_error(read: Any) -> bool:
    try:
        read()
    except ValueError:
        return True
    return False


@given(NEW_ENTRIES)
def test_a_new_delivery_is_read_back(one: NewEntry) -> None:
    """With its recipient, rule and matched row; its detail without line breaks."""
    row = first_row(one)
    entry = entry_of(one.event, one.delivery, row)
    detail = written(one.detail)
    if one.state is State.sending:
        detail = ""  # the text of a claim is its owner
    assert (entry.recipient, entry.channel) == (one.recipient, one.channel)
    assert (entry.rule, entry.matched) == (one.rule, one.matched)
    assert entry.steps == (HistoryStep(one.state, one.reason, one.at_ms, 0, detail),)
    assert current_of_row(row).state is one.state


@given(STEPS, NEW_ENTRIES)
def test_a_restored_row_is_read_back(steps: list[HistoryStep], one: NewEntry) -> None:
    """Claims keep their owners, steps that a rebuild inserted are known as such, and an existing row its recipient."""
    logged = LoggedDelivery(KEY, one.delivery, one.recipient, one.channel, one.rule, one.matched, 1)
    expected = [kept_step(step) for step in steps]
    for row in (b"", first_row(one)):
        entry = entry_of(KEY, one.delivery, restored_row(logged, steps, row))
        kept = len(entry.steps)  # of a long row the oldest steps are dropped, except the very first
        assert kept == len(expected) or len(step_list(steps)) + len(first_row(one)) > 4096
        assert list(map(parts, entry.steps)) == list(map(parts, [*expected[: kept - 1], expected[-1]]))
        assert (entry.recipient, entry.channel) == (one.recipient, one.channel)
        assert (entry.rule, entry.matched) == (one.rule, one.matched)
    left_over = steps_in(step_list(steps))
    assert list(map(parts, left_over)) == list(map(parts, expected)) or len(step_list(steps)) > 2500


def kept_step(step: HistoryStep) -> HistoryStep:
    detail, owner = written(step.detail), written(step.owner)
    if step.owner == INSERTED:
        return replace(step, detail=RESTORED, owner=INSERTED)
    if step.state is State.sending:  # one text, which is the owner
        return replace(step, detail="", owner=owner if step.owner else detail)
    return replace(step, detail=detail, owner="")


def parts(step: HistoryStep) -> tuple[object, ...]:
    return step.state, step.reason, step.at_ms, step.attempt, step.detail, step.owner


@given(NEW_ENTRIES, STEPS, st.data())
def test_a_row_that_is_cut_off_is_refused(
    one: NewEntry, steps: list[HistoryStep], data: st.DataObject
) -> None:
    """By the one error that readers expect."""
    logged = LoggedDelivery(KEY, one.delivery, one.recipient, one.channel, one.rule, one.matched, 1)
    row = restored_row(logged, steps, b"")
    size = data.draw(st.integers(0, len(row) - 1))
    assert raises_value_error(lambda: entry_of(KEY, one.delivery, row[:size]))


@given(st.binary(max_size=80))
@example(b"\x00\x01\x10\x00\x81" + bytes(6) + b"\x00")
@example(b"\x00\x01\x10\x00\x01" + bytes(6) + b"\x00\x01a\x00")
def test_any_bytes_are_read_or_refused(octets: bytes) -> None:
    """No other error than ValueError stops a reader."""
    with suppress(ValueError):
        entry = entry_of(KEY, delivery_id(KEY, "r", "email"), octets)
        assert entry.steps
    for read in (steps_in, current_of_row, code_in):
        with suppress(ValueError):
            read(octets)
    if octets:
        withdrawn_at(octets)


@given(STEP_TIMES, ATTEMPTS, DETAILS.filter(lambda owner: owner != INSERTED), DETAILS)
def test_a_transition_is_a_step(at_ms: int, attempt: int, owner: str, detail: str) -> None:
    """A claim has its owner, any other step its detail; attempts beyond 4095 are counted as 4095."""
    claim = Transition(KEY, "d", State.sending, Reason.none, at_ms, attempt, owner=owner)
    failed = Transition(KEY, "d", State.deferred, Reason.temporary, at_ms, attempt + 4095, detail)
    (first,), (second,) = steps_in(transition_step(claim)), steps_in(transition_step(failed))
    assert (first.at_ms, first.attempt) == (at_ms, attempt)
    assert first.owner == written(owner)
    assert (second.attempt, second.detail) == (4095, written(detail))
