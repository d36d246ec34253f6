"""What the pipeline needs from the world: small Protocols. Each has one behaviour spec that fake and real pass."""

from service.ports.due import Due, DueSet, Keyed, Supersedes, Withdrawals
from service.ports.errors import Clock, Unavailable
from service.ports.inbox import Inbox, InboxItem
from service.ports.ledger import AddressSearch, EventHead, Ledger, LedgerIndex, Move, Moved, Opening, Workers
from service.ports.mail import MailTransport, Renderer, RenderFailed, SoftBounces
from service.ports.tables import Bar, RolePage, Rows, Tables, TableWrites, Wanted

__all__ = [
    "AddressSearch",
    "Bar",
    "Clock",
    "Due",
    "DueSet",
    "EventHead",
    "Inbox",
    "InboxItem",
    "Keyed",
    "Ledger",
    "LedgerIndex",
    "MailTransport",
    "Move",
    "Moved",
    "Opening",
    "RenderFailed",
    "Renderer",
    "RolePage",
    "Rows",
    "SoftBounces",
    "Supersedes",
    "TableWrites",
    "Tables",
    "Unavailable",
    "Wanted",
    "Withdrawals",
    "Workers",
]
