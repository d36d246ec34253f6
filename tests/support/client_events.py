"""Events with which the clients for upstream services are compared with the service."""

from collections.abc import Mapping
from typing import Any

from service.model.catalogue import NotificationType
from service.model.event import Event

REFUSED: Mapping[str, dict[str, Any]] = {
    "invalid_data": {"type": "winner", "recipients": "alice", "data": {}},
    "missing_audience": {"type": "winner", "data": {"lot_id": "7"}},
    "invalid_attribute": {"type": "winner", "recipients": "[1]", "data": {"lot_id": "7"}},
    "unknown_type": {"type": "no_such_type", "data": {}},
    "invalid_withdrawal": {"type": "withdraw", "data": {}},
}
"""An event without id and source for each reason."""


def check_sample(parsed: Event, declared: NotificationType) -> None:
    """Raise AssertionError unless the event has the type, the data and the audience of the type's sample."""
    sample = declared.sample
    assert (parsed.type, dict(parsed.data)) == (declared.name, dict(sample["data"]))
    named = sample.get("recipients") or [
        sample["data"][rule.field] for rule in declared.audience if rule.field
    ]
    assert parsed.recipients == (tuple(named) or None), declared.name
    assert parsed.external_id == sample.get("external_id")
    assert parsed.account == sample.get("account")
