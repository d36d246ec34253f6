"""Set up structlog when it is imported, and not before: a command that logs nothing starts faster without it."""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_LOGS = "service.observability.logs"


def route_when_imported() -> None:
    """Pass structlog's lines to the standard library's loggers as soon as any module imports structlog."""
    if "structlog" in sys.modules:
        _route()
    else:
        sys.meta_path.insert(0, _StructlogFinder())


def _route() -> None:
    if _LOGS not in sys.modules:  # else its importer is about to call `configure`
        from service.observability.logs import route_to_stdlib  # noqa: PLC0415  # it imports structlog

        route_to_stdlib()


class _StructlogFinder(MetaPathFinder):
    """Finds structlog once, with a loader that sets it up."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "structlog":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _StructlogLoader(spec.loader)
        return spec


class _StructlogLoader(Loader):
    """Loads structlog by the usual loader, and sets it up."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _route()
