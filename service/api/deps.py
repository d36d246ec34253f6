"""The ports that the API is built from, and the FastAPI dependency that passes them to routes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from service.api.auth.passwords import Passwords
from service.api.auth.tokens import Tokens
from service.api.representations.entries import EntryFormat
from service.model.catalogue import Catalogue
from service.model.topics import TopicNames
from service.pages.brand import Brands
from service.pipeline.bounces.process import BounceProcessor
from service.pipeline.inbox.mark_read import ReadMarker
from service.pipeline.operate.explain import Explainer
from service.pipeline.operate.problems import Observer
from service.pipeline.operate.services import OperatorServices
from service.pipeline.operate.what_if import WhatIf
from service.pipeline.tables.preference_centre import PreferenceCentre
from service.pipeline.tables.preference_tokens import PreferenceTokens
from service.pipeline.tables.unsubscribe_tokens import UnsubscribeTokens
from service.pipeline.tables.writer import TableWriter
from service.ports import (
    Accounts,
    ApiKeys,
    Clock,
    Contacts,
    EndedSessions,
    Idempotency,
    Inbox,
    InboxChanges,
    InboxReads,
    Ledger,
    Publisher,
    RateLimits,
    RecipientDirectory,
    StreamTickets,
)
from service.settings import Settings

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""A check of one dependency: returns the reason why it is not ready, or None when it is."""


StallCheck = Callable[[], float]
"""Returns for how long a part of this process has had work and made no progress, in seconds."""


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """The ports that the routes use.

    `events_topic` is the full name of the topic that POST /v1/events writes to. `stalls` are the parts whose stall a
    restart would end, by name.
    """

    settings: Settings
    catalogue: Catalogue
    brands: Brands
    clock: Clock
    writer: TableWriter
    contacts: Contacts
    directory: RecipientDirectory
    inbox: Inbox
    inbox_reads: InboxReads
    inbox_changes: InboxChanges
    ledger: Ledger
    publisher: Publisher
    accounts: Accounts
    api_keys: ApiKeys
    rate_limits: RateLimits
    idempotency: Idempotency
    stream_tickets: StreamTickets
    observer: Observer
    ended_sessions: EndedSessions
    events_topic: str = "events"
    bounces: BounceProcessor | None = None
    explain: Explainer | None = None
    what_if: WhatIf | None = None
    operate: OperatorServices | None = None
    checks: Mapping[str, ReadinessCheck] = field(default_factory=dict)
    stalls: Mapping[str, StallCheck] = field(default_factory=dict)

    @property
    def entry_format(self) -> EntryFormat:
        """Return the form of inbox entries."""
        return EntryFormat(self.catalogue, self.brands)

    @property
    def preference_centre(self) -> PreferenceCentre:
        """Return the reader and writer of one person's preferences."""
        return PreferenceCentre(self.catalogue, self.writer, self.clock)

    @property
    def read_marks(self) -> ReadMarker:
        """Return the writer of read marks, which go to Redis and to Kafka."""
        topics = TopicNames(self.settings.kafka.prefix)
        return ReadMarker(self.inbox, self.inbox_reads, self.publisher, topics, self.clock)


@dataclass(frozen=True, slots=True)
class Authenticators:
    """The credential verifiers of one application, with their caches."""

    tokens: Tokens
    passwords: Passwords
    unsubscribe: UnsubscribeTokens | None = None
    preferences: PreferenceTokens | None = None


def deps_of(request: Request) -> ApiDeps:
    """Return the ports of the application that serves this request."""
    deps: ApiDeps = request.app.state.deps
    return deps


def authenticators_of(request: Request) -> Authenticators:
    """Return the credential verifiers of the application that serves this request."""
    authenticators: Authenticators = request.app.state.authenticators
    return authenticators


async def _deps(request: Request) -> ApiDeps:
    """Return the ports, as a coroutine: FastAPI runs plain functions in a thread, which costs more than most routes."""
    return deps_of(request)


Deps = Annotated[ApiDeps, Depends(_deps)]
