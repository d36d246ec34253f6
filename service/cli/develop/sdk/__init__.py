"""Typed events for the clients of upstream services: the catalogue as source text, one module a language.

A generator is a pure function from descriptions of types to files: the text of each by its name. `clients/README.md`
is the contract of what it writes.
"""

from collections.abc import Callable, Mapping, Sequence

from service.cli.develop.sdk import java, python, typescript
from service.cli.develop.sdk.description import TypeDescription, describe

__all__ = ["LANGUAGES", "TypeDescription", "describe"]

LANGUAGES: Mapping[str, Callable[[Sequence[TypeDescription]], dict[str, str]]] = {
    "python": python.generate,
    "typescript": typescript.generate,
    "java": java.generate,
}
