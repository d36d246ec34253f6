"""Protocols of everything outside the process that the pipeline uses, one file a noun.

Each port has one behaviour spec in `tests/specs`, which the fake and the real adapter pass. Every call to Redis or
Kafka may raise Unavailable.
"""

from service.ports.clock import Clock
from service.ports.completeness import ABSENT, CATCHING_UP, FILLING, REBUILDING, Completeness
from service.ports.credentials import Accounts, ApiKeys
from service.ports.due import Due, DueSet, OpenAges
from service.ports.errors import Unavailable
from service.ports.fan_outs import FanOut, FanOuts
from service.ports.holds import (
    DigestContent,
    DigestPlace,
    DigestWindows,
    LimitedMail,
    MailAllowance,
    MailLimits,
)
from service.ports.http import (
    STREAM_TICKET_S,
    EndedSessions,
    Idempotency,
    IdempotencyRecord,
    IdempotencyState,
    Quota,
    RateLimits,
    StreamTicket,
    StreamTickets,
)
from service.ports.inbox import (
    Inbox,
    InboxChange,
    InboxChangeKind,
    InboxChanges,
    InboxItem,
    InboxPage,
    InboxQuery,
    InboxReads,
    ReadFilter,
)
from service.ports.ledger import MANY, EventHead, EventPosition, Ledger, LedgerIndex, LedgerRestore
from service.ports.mail import (
    DigestItemsFailed,
    Lease,
    MailClaims,
    MailTransport,
    RelayTransport,
    Renderer,
    RenderFailed,
    SendRateLimit,
    SoftBounceScores,
)
from service.ports.operate import (
    AddressSearch,
    DeliveryLog,
    EventLog,
    LedgerScan,
    OutcomeLog,
    PendingRetries,
    PersonalData,
    RecordLog,
    TableCount,
)
from service.ports.operations import OperationProgress, Operations
from service.ports.publisher import Publisher
from service.ports.state_history import Positions, StateHistory
from service.ports.supersede import SupersedableEvent, SupersedeIndex, Withdrawals
from service.ports.tables import (
    AccountPage,
    ContactPage,
    Contacts,
    LookupKeys,
    MailBlock,
    RecipientDirectory,
    RolePage,
    RowLocks,
    Rows,
    Tables,
    TableWrites,
)
from service.ports.tracing import Tracer
from service.ports.workers import WorkerReports, Workers

__all__ = [
    "ABSENT",
    "CATCHING_UP",
    "FILLING",
    "MANY",
    "REBUILDING",
    "STREAM_TICKET_S",
    "AccountPage",
    "Accounts",
    "AddressSearch",
    "ApiKeys",
    "Clock",
    "Completeness",
    "ContactPage",
    "Contacts",
    "DeliveryLog",
    "DigestContent",
    "DigestItemsFailed",
    "DigestPlace",
    "DigestWindows",
    "Due",
    "DueSet",
    "EndedSessions",
    "EventHead",
    "EventLog",
    "EventPosition",
    "FanOut",
    "FanOuts",
    "Idempotency",
    "IdempotencyRecord",
    "IdempotencyState",
    "Inbox",
    "InboxChange",
    "InboxChangeKind",
    "InboxChanges",
    "InboxItem",
    "InboxPage",
    "InboxQuery",
    "InboxReads",
    "Lease",
    "Ledger",
    "LedgerIndex",
    "LedgerRestore",
    "LedgerScan",
    "LimitedMail",
    "LookupKeys",
    "MailAllowance",
    "MailBlock",
    "MailClaims",
    "MailLimits",
    "MailTransport",
    "OpenAges",
    "OperationProgress",
    "Operations",
    "OutcomeLog",
    "PendingRetries",
    "PersonalData",
    "Positions",
    "Publisher",
    "Quota",
    "RateLimits",
    "ReadFilter",
    "RecipientDirectory",
    "RecordLog",
    "RelayTransport",
    "RenderFailed",
    "Renderer",
    "RolePage",
    "RowLocks",
    "Rows",
    "SendRateLimit",
    "SoftBounceScores",
    "StateHistory",
    "StreamTicket",
    "StreamTickets",
    "SupersedableEvent",
    "SupersedeIndex",
    "TableCount",
    "TableWrites",
    "Tables",
    "Tracer",
    "Unavailable",
    "Withdrawals",
    "WorkerReports",
    "Workers",
]
