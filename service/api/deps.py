"""What the API is built from, and how a route reaches it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from service.api.auth.passwords import Passwords
from service.api.auth.tokens import Tokens
from service.model.catalogue import Catalogue
from service.model.topics import TopicNames
from service.pipeline.bounces.process import BounceProcessor
from service.pipeline.inbox.mark_read import ReadMarker
from service.pipeline.operate.explain import Explainer
from service.pipeline.operate.what_if import WhatIf
from service.pipeline.tables.unsubscribe_tokens import UnsubscribeTokens
from service.pipeline.tables.writer import TableWriter
from service.ports import (
    Accounts,
    ApiKeys,
    Clock,
    Contacts,
    Idempotency,
    Inbox,
    InboxChanges,
    InboxReads,
    Ledger,
    Publisher,
    RateLimits,
    RecipientDirectory,
)
from service.settings import Settings

Check = Callable[[], Awaitable[str | None]]
"""Why something that the API needs is not ready; None when it is."""


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """The ports that the routes use.

    `events_topic` is the full name of the topic that POST /v1/events writes to.
    """

    settings: Settings
    catalogue: Catalogue
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
    events_topic: str = "events"
    bounces: BounceProcessor | None = None
    explain: Explainer | None = None
    what_if: WhatIf | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)

    @property
    def read_marks(self) -> ReadMarker:
        """Marks entries read, in Redis and in Kafka."""
        topics = TopicNames(self.settings.kafka.prefix)
        return ReadMarker(self.inbox, self.inbox_reads, self.publisher, topics, self.clock)


@dataclass(frozen=True, slots=True)
class Authenticators:
    """The verifiers of one application, with what they remember."""

    tokens: Tokens
    passwords: Passwords
    unsubscribe: UnsubscribeTokens | None = None


def deps_of(request: Request) -> ApiDeps:
    """What this application was built from."""
    deps: ApiDeps = request.app.state.deps
    return deps


def authenticators_of(request: Request) -> Authenticators:
    """The verifiers of this application."""
    doors: Authenticators = request.app.state.doors
    return doors


async def _deps(request: Request) -> ApiDeps:
    """As a coroutine: FastAPI hands every other function to a thread, which costs more than most routes."""
    return deps_of(request)


Deps = Annotated[ApiDeps, Depends(_deps)]
