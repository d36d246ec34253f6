"""Client and service refuse the same events, whatever their values are: the vectors' rule with random ones."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin_client.errors import InvalidEvent
from tocsin_client.validation import validate_fields
from tocsin_client.values import time_ms

from tests.clients.python.test_vectors import TYPES, VECTORS
from tests.support.client_vectors import NOW, reason_of

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=5),
    st.text(st.characters(categories=["Cs", "Cc", "Cn", "Zl", "Zp", "L"]), max_size=3),
    st.sampled_from(("", "alice", "overbid", "withdraw", "2026-10-01T08:00:00Z", "[1]", '["a"]', "[", "7")),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)
EVENTS = [vector["event"] for vector in VECTORS["events"] if "set" not in vector]
NAMES = sorted({name for event in EVENTS for name in event} - {"specversion"})
DATA_NAMES = sorted(
    {name for event in EVENTS if isinstance(event.get("data"), dict) for name in event["data"]}
)


@st.composite
def changed_events(draw: st.DrawFn) -> dict[str, Any]:
    """Return an event of the vectors in which attributes and fields of the data have other values."""
    event = dict(draw(st.sampled_from(EVENTS)))
    event |= draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2))
    data = event.get("data")
    if isinstance(data, dict):
        event["data"] = data | draw(st.dictionaries(st.sampled_from(DATA_NAMES), VALUES, max_size=2))
    return event


@settings(max_examples=150)
@given(changed_events())
def test_the_same_reason(event: dict[str, Any]) -> None:
    """Or none, for an event in structured form that has one fault or several, beside JSON's."""
    ours = None
    try:
        validate_fields(event, TYPES, time_ms(NOW))
    except InvalidEvent as error:
        ours = error.reason.value
    theirs = reason_of(json.loads(json.dumps(event)))

    of_json = {"not_a_number", "number_out_of_range", "lone_surrogate"}
    assert ours == theirs or {ours, theirs} <= of_json  # these are found in any order
