"""Positions in topics as the cursor of a list or the id of an event: opaque text for clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Set

from service.ports import Positions
from service.ports.state_history import StateCheckpoint


def cursor_of(positions: Positions) -> str:
    """Return positions as text."""
    return urlsafe_b64encode(StateCheckpoint(0, positions).to_bytes()).decode().rstrip("=")


def positions_in(cursor: str, topics: Set[str]) -> Positions:
    """Return the positions in a text. Raise ValueError where it holds none of these topics alone."""
    try:
        octets = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        positions = StateCheckpoint.from_bytes(0, octets).positions
    except (Error, ValueError, AttributeError, TypeError):
        raise ValueError("not a cursor of this list") from None
    if not positions or not all(
        topic in topics and isinstance(offset, int) and 0 <= offset < 2**63
        for (topic, _), offset in positions.items()
    ):
        raise ValueError("not a cursor of this list")
    return positions
