"""Addresses on pages: masked, unless the operator has asked to see them; then each page is in the operation log."""

import asyncio
from typing import Any

from starlette.requests import Request

from service.api.deps import ApiDeps
from service.api.errors import route_path
from service.api.routes.operate.access import services_of
from service.console.access import PERSONAL
from service.console.session import ConsoleSession
from service.model.mask import mask_value
from service.model.operation import OperationKind, pseudonym


async def disclosed(request: Request, deps: ApiDeps, document: Any, person: str = "") -> Any:
    """Return a document as this operator may see it: with addresses masked, or as it is.

    `person`: the recipient id or address that the page is about, if it is about one. Raise Unavailable.
    """
    session: ConsoleSession = request.state.session
    if session.shows_addresses and session.may(PERSONAL):
        filters = {"page": route_path(request.scope), **({"person": pseudonym(person)} if person else {})}
        await services_of(deps).record(session.operator, OperationKind.reveal, filters)
        return document
    # in a thread: masking the thousand deliveries that a page may have takes a tenth of a second
    return await asyncio.to_thread(mask_value, document)
