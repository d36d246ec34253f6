"""The fields of a filter for deliveries, as the tail, the list of deliveries and the replay wizard have them."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from service.api.deps import ApiDeps
from service.api.errors import ApiError
from service.console.guard import Form
from service.model.channels import Channel
from service.model.ids import address_pseudonym
from service.model.ledger import State
from service.pipeline.operate.outcome_filter import OutcomeFilter

FIELDS = ("state", "type", "recipient", "channel", "relay", "reason", "event", "hours")
_LONGEST = 1024
_HOUR_MS = 3_600_000
_MOST_HOURS = 24 * 366


def query_of(request: Request) -> Form:
    """Return the fields of a filter in the query, each without blanks around it; empty where there is none."""
    return {name: request.query_params.get(name, "").strip()[:_LONGEST] for name in FIELDS}


def filter_fields(deps: ApiDeps, form: Form) -> Mapping[str, Any]:
    """Return the values of the fields of an OutcomeFilter. Raise ApiError for what is none.

    A recipient may be an address: then it is the pseudonym of the address in group lists, too.
    """
    values: dict[str, Any] = {}
    if state := form.get("state"):
        values["states"] = frozenset({_checked(State, state, "state")})
    if channel := form.get("channel"):
        values["channels"] = frozenset({_checked(Channel, channel, "channel").value})
    for name in ("type", "relay", "reason", "event"):
        if value := form.get(name):
            values[f"{name}s"] = frozenset({value})
    if recipient := form.get("recipient"):
        values["recipients"] = frozenset(
            {recipient, *([address_pseudonym(recipient)] if "@" in recipient else [])}
        )
    if hours := form.get("hours"):
        values["since_ms"] = deps.clock.now_ms() - round(_number(hours) * _HOUR_MS)
    return values


def outcome_filter(deps: ApiDeps, form: Form) -> OutcomeFilter:
    """Return the filter of a form. Raise ApiError."""
    return OutcomeFilter(**filter_fields(deps, form))


def _checked(values: Any, text: str, name: str) -> Any:
    try:
        return values(text)
    except ValueError:
        raise ApiError(422, f"{name}: there is no {text[:50]}", code="invalid-parameter") from None


def _number(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 < hours <= _MOST_HOURS:
        raise ApiError(422, "hours: must be a number above 0", code="invalid-parameter")
    return hours
