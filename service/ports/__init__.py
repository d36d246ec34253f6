"""What the pipeline needs from the world: small Protocols. Each has one behaviour spec that fake and real pass."""

from service.ports.due import Due, DueSet, SupersedableEvent, SupersedeIndex, Withdrawals
from service.ports.errors import Clock, Unavailable
from service.ports.inbox import Inbox, InboxItem
from service.ports.ledger import (
    AddressSearch,
    EventHead,
    Ledger,
    LedgerIndex,
    NewEntry,
    Transition,
    TransitionResult,
    Workers,
)
from service.ports.mail import MailTransport, Renderer, RenderFailed, SoftBounceScores
from service.ports.tables import LookupKeys, MailBlock, RolePage, Rows, Tables, TableWrites

__all__ = [
    "AddressSearch",
    "Clock",
    "Due",
    "DueSet",
    "EventHead",
    "Inbox",
    "InboxItem",
    "Ledger",
    "LedgerIndex",
    "LookupKeys",
    "MailBlock",
    "MailTransport",
    "NewEntry",
    "RenderFailed",
    "Renderer",
    "RolePage",
    "Rows",
    "SoftBounceScores",
    "SupersedableEvent",
    "SupersedeIndex",
    "TableWrites",
    "Tables",
    "Transition",
    "TransitionResult",
    "Unavailable",
    "Withdrawals",
    "Workers",
]
