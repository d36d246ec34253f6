"""Methods by path (RFC 9110, sections 9.3.2, 9.3.7 and 15.5.6): HEAD wherever GET is, OPTIONS, and a complete Allow."""

import re
from collections.abc import Iterable, Mapping, Sequence

from starlette.routing import compile_path

from service.api.errors import ApiError
from service.api.protocol.request_head import SERVER_WIDE

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""In the order in which Allow names them."""


class MethodTable:
    """The methods of every path; `patch_types` are the media types that a path's PATCH accepts (RFC 5789)."""

    def __init__(self, routes: Sequence[tuple[str, Iterable[str]]], patch_types: Mapping[str, str]) -> None:
        """`routes`: path templates with their methods."""
        self._routes: list[tuple[re.Pattern[str], frozenset[str], str]] = []
        for path, methods in routes:
            pattern, _, _ = compile_path(path)
            names = {"OPTIONS", *methods, *(("HEAD",) if "GET" in methods else ())}
            self._routes.append((pattern, frozenset(names), patch_types.get(path, "")))
        self._exact = {path: self._matching(path) for path, _ in routes if "{" not in path}
        """The methods of the paths without parameters."""

    def allowed(self, path: str) -> Sequence[str]:
        """Return the methods of a path, in a fixed order; none for a path that no route has."""
        if path == SERVER_WIDE.decode():
            return METHODS
        return self._exact.get(path) or self._matching(path)

    def _matching(self, path: str) -> Sequence[str]:
        methods = {name for pattern, names, _ in self._routes if pattern.match(path) for name in names}
        return [name for name in METHODS if name in methods]

    def headers(self, path: str) -> dict[str, str]:
        """Return Allow, and Accept-Patch where there is PATCH; empty for a path that no route has."""
        if not (allowed := self.allowed(path)):
            return {}
        types = next(
            (t for pattern, names, t in self._routes if t and pattern.match(path) and "PATCH" in names), ""
        )
        return {
            "Allow": ", ".join(allowed),
            **({"Accept-Patch": types} if types and "PATCH" in allowed else {}),
        }

    def check(self, method: str, path: str) -> None:
        """Raise ApiError 405 where a route has the path, and none has it with this method."""
        allowed = self.allowed(path)
        if allowed and method not in allowed:
            detail = f"The methods of this resource are {', '.join(allowed)}."
            raise ApiError(405, detail, code="method-not-allowed", headers=self.headers(path))
