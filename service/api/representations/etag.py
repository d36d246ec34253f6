"""Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13), by the version of a row or a file."""

import re
from collections.abc import Iterator

from starlette.requests import Request

from service.api.errors import ApiError

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')


def etag_of(version: int | str) -> str:
    """Return the entity tag of a version; a strong one, because every write changes the version."""
    return f'"{version}"'


def is_not_modified(request: Request, version: int | str) -> bool:
    """Return whether the caller has this version already, by If-None-Match: the response is 304 then."""
    return _names(request, "if-none-match", version)


def check_preconditions(request: Request, version: int | None) -> None:
    """Raise ApiError 412 where If-Match or If-None-Match does not hold; `version` is None where there is no row."""
    headers = request.headers
    if "if-match" in headers and not _names(request, "if-match", version, weak=False):
        raise _failed(version)
    if "if-none-match" in headers and _names(request, "if-none-match", version):
        raise _failed(version)


def _names(request: Request, header: str, version: int | str | None, *, weak: bool = True) -> bool:
    """Return whether the header names the version; `*` names every one. Without `weak`, weak tags name none."""
    if version is None:
        return False
    return any(tag in ("*", etag_of(version)) for tag in _tags(request, header, weak=weak))


def _tags(request: Request, header: str, *, weak: bool) -> Iterator[str]:
    for text in request.headers.getlist(header):
        if text.strip() == "*":
            yield "*"
        for match in _TAG.finditer(text):
            if weak or not match[0].startswith("W/"):
                yield f'"{match[1]}"'


def _failed(version: int | None) -> ApiError:
    detail = "There is no such row." if version is None else f"The current version is {version}."
    headers = {} if version is None else {"ETag": etag_of(version)}
    return ApiError(412, detail, code="precondition-failed", headers=headers)
