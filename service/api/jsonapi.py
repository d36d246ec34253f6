"""What JSON:API 1.1 asks of a server as small as this: media types, query parameters, resource objects."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse

from service.api.errors import JSON_API, ApiError, bad_parameter
from service.ports import InboxItem

_RESERVED = re.compile(
    r"[a-z]+(\[[^\]]*\])*"
)  # names without any other character belong to the specification
_ONE_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]+)')


class JsonApiResponse(JSONResponse):
    """A JSON:API document."""

    media_type = JSON_API

    def render(self, content: Any) -> bytes:
        """JSON as fast as it gets."""
        return orjson.dumps(content)


def negotiate(request: Request, known: Iterable[str] = ()) -> None:
    """Refuse what JSON:API 1.1 tells a server to refuse (sections 5.3 and 6.2).

    Raises ApiError 400, 406, 415.

    No Accept, or one without the JSON:API media type, is answered with JSON:API all the same: its clients
    read JSON.
    """
    accept = request.headers.get("accept", "")
    if accept != JSON_API and JSON_API in accept.lower():
        ours = [part for part in _split(accept) if _media_type(part) == JSON_API]
        if ours and not any(_parameters(part) <= {"profile", "q"} for part in ours):
            raise ApiError(406, f"{JSON_API} is sent without the parameters that Accept asks for.")
    if request.method == "POST":
        _check_content_type(request.headers.get("content-type", ""))
    if not request.scope["query_string"]:
        return
    allowed = frozenset(known)
    for name in request.query_params:
        if name not in allowed and _RESERVED.fullmatch(name):
            raise bad_parameter(name[:100], "there is no such parameter here")


def one_of(request: Request, *names: str) -> tuple[str, str] | None:
    """The parameter that was given of these that mean the same, with its value.

    Raises ApiError when one is repeated.
    """
    given = [(name, value) for name, value in request.query_params.multi_items() if name in names]
    if len(given) > 1:
        raise bad_parameter(given[1][0], "is given more than once")
    return given[0] if given else None


def resource(item: InboxItem, *, with_read: bool = False) -> dict[str, Any]:
    """An inbox entry as its document shows it; `with_read` adds when it was read."""
    attributes: dict[str, Any] = {
        "type": item.number or None,
        "type_str": item.type,
        "meta": orjson.Fragment(orjson.dumps(item.meta, option=orjson.OPT_SORT_KEYS)),
        "created_at": timestamp(item.created_ms),
    }
    if with_read:
        attributes["read_at"] = timestamp(item.read_ms) if item.read_ms else None
    return {"type": "notifications", "id": item.id, "attributes": attributes}


def timestamp(at_ms: int) -> str:
    """Whole seconds in UTC: `2019-04-08T14:17:37Z`."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC).isoformat()[:-6]}Z"


def document(data: Any, links: Mapping[str, str | None] | None = None) -> JsonApiResponse:
    """A top-level document; `links` only where there are any."""
    return JsonApiResponse({"data": data, "links": links} if links is not None else {"data": data})


def _check_content_type(content_type: str) -> None:
    kind = _media_type(content_type)
    if kind == JSON_API and not _parameters(content_type) <= {"profile"}:
        raise ApiError(415, f"{JSON_API} must come without parameters but profile.")
    if kind not in ("", JSON_API, "application/json"):
        raise ApiError(415, f"The body must be {JSON_API} or application/json.")


def _split(accept: str) -> list[str]:
    """Media ranges: by the commas that stand outside of quotes."""
    return re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+', accept)


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _parameters(text: str) -> set[str]:
    return {name.lower() for name, _ in _ONE_PARAMETER.findall(text)}
