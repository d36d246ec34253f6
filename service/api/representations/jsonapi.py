"""JSON:API 1.1 as far as the inbox uses it: media types, query parameters, resource objects."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse

from service.api.errors import JSON_API, ApiError, parameter_error
from service.model.validators import clamp_ms

# Names of only these characters are reserved for the specification; unknown ones must be refused.
_RESERVED_NAME = re.compile(r"[a-z]+(\[[^\]]*\])*")
_MEDIA_TYPE_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]+)')


class JsonApiResponse(JSONResponse):
    """A JSON:API document."""

    media_type = JSON_API

    def render(self, content: Any) -> bytes:
        """Return the content as JSON, encoded by orjson."""
        return orjson.dumps(content)


def negotiate(request: Request, known: Iterable[str] = ()) -> None:
    """Raise ApiError 400, 406 or 415 where JSON:API 1.1 requires a server to refuse (sections 5.3 and 6.2).

    `known` are the query parameters of the route. A request without Accept, or whose Accept does not have the JSON:API
    media type, still gets JSON:API: its clients read JSON.
    """
    accept = ", ".join(request.headers.getlist("accept"))
    if accept != JSON_API and JSON_API in accept.lower():
        json_api_ranges = [part for part in _split(accept) if _media_type(part) == JSON_API]
        if json_api_ranges and not any(_parameters(part) <= {"profile", "q"} for part in json_api_ranges):
            raise ApiError(406, f"Accept has parameters of {JSON_API} that are not supported.")
    if request.method == "POST":
        _check_content_type(request.headers.get("content-type", ""))
    if not request.scope["query_string"]:
        return
    allowed = frozenset(known)
    for name in request.query_params:
        if name not in allowed and _RESERVED_NAME.fullmatch(name):
            raise parameter_error(name[:100], "unknown parameter")


def single_parameter(request: Request, *names: str) -> tuple[str, str] | None:
    """Return the name and value of the one query parameter among these synonyms, or None.

    Raise ApiError when there is more than one.
    """
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name in names]
    if len(pairs) > 1:
        raise parameter_error(pairs[1][0], "occurs more than once")
    return pairs[0] if pairs else None


def timestamp(at_ms: int) -> str:
    """Return a time in whole seconds, in UTC: `2019-04-08T14:17:37Z`; the nearest that can be shown."""
    return f"{datetime.fromtimestamp(clamp_ms(at_ms) // 1000, UTC).isoformat()[:-6]}Z"


def document(data: Any, links: Mapping[str, str | None] | None = None) -> JsonApiResponse:
    """Return a top-level document, with `links` unless they are None."""
    return JsonApiResponse({"data": data, "links": links} if links is not None else {"data": data})


def _check_content_type(content_type: str) -> None:
    media_type = _media_type(content_type)
    if media_type == JSON_API and not _parameters(content_type) <= {"profile"}:
        raise ApiError(415, f"{JSON_API} may have no parameter but profile.")
    if media_type not in ("", JSON_API, "application/json"):
        raise ApiError(415, f"The body must be {JSON_API} or application/json.")


def _split(accept: str) -> list[str]:
    """Return the media ranges of an Accept header, split at commas outside of quotes."""
    return re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+', accept)


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _parameters(text: str) -> set[str]:
    return {name.lower() for name, _ in _MEDIA_TYPE_PARAMETER.findall(text)}
