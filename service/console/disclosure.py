"""Addresses on pages: masked, unless the operator has asked to see them; then each page is in the operation log."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from service.api.deps import ApiDeps
from service.api.errors import route_path
from service.console.access import PERSONAL
from service.console.session import ConsoleSession
from service.model.mask import mask_value
from service.model.operation import OperationKind, OperationPhase, pseudonym
from service.model.topics import TopicNames
from service.pipeline.operate.audit_log import OperationLog


def operation_log(
    deps: ApiDeps, session: ConsoleSession, kind: OperationKind, filters: Mapping[str, Any]
) -> OperationLog:
    """Return the log of a new operation by this operator. `filters` must not name a person."""
    topic = TopicNames(deps.settings.kafka.prefix).audit
    return OperationLog(
        deps.publisher, topic, deps.clock, operator=session.operator, kind=kind, filters=filters
    )


async def disclosed(request: Request, deps: ApiDeps, document: Any, person: str = "") -> Any:
    """Return a document as this operator may see it: with addresses masked, or as it is.

    `person`: the recipient id or address that the page is about, if it is about one. Raise Unavailable.
    """
    session: ConsoleSession = request.state.session
    if session.shows_addresses and session.may(PERSONAL):
        filters = {"page": route_path(request.scope), **({"person": pseudonym(person)} if person else {})}
        await operation_log(deps, session, OperationKind.reveal, filters).write(OperationPhase.ended, {})
        return document
    # in a thread: masking the thousand deliveries that a page may have takes a tenth of a second
    return await asyncio.to_thread(mask_value, document)
