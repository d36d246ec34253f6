"""`python -m tests.support.http_reference` prints docs/reference/http.md: every operation of the API."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from tests.support.paths import ROOT

_HEAD = """# HTTP API: operations

Every operation with its parameters, body and responses. This page is made from
[openapi.json](../api/openapi.json) (`make docs`), which has every schema and is the document for
generators of clients. A running API serves it at `/openapi.json`, and at `/docs` as a page that
sends requests. [The HTTP API](../api/README.md) has the rules that hold for all operations.
"""
_METHODS = ("get", "put", "post", "patch", "delete")


def http_reference() -> str:
    """Return the page."""
    document = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    lines = [_HEAD]
    for tag in document["tags"]:
        lines += [f"## {tag['name']}", "", *_wrapped(tag.get("description", ""))]
        for path, methods in document["paths"].items():
            for method in filter(methods.__contains__, _METHODS):
                operation = methods[method]
                if operation["tags"][0] == tag["name"]:
                    lines += _operation(f"{method.upper()} {path}", operation)
    return "\n".join(lines).rstrip() + "\n"


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield from (f"### `{title}`", "")
    for paragraph in operation.get("description", "").split("\n\n"):
        yield from _wrapped(paragraph)
    yield from _wrapped(f"Operation `{operation['operationId']}`. {_body(operation)}{_responses(operation)}")
    if parameters := operation.get("parameters"):
        yield from ("| parameter | in | |", "|---|---|---|")
        for parameter in parameters:
            needed = "" if parameter.get("required") else "optional: "
            yield f"| `{parameter['name']}` | {parameter['in']} | {needed}{_cell(parameter.get('description', ''))} |"
        yield ""


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    schemas = list(dict.fromkeys(filter(None, map(_schema, content.values()))))
    types = ", ".join(f"`{type_}`" for type_ in content)
    return f"The body is {', '.join(schemas) + ', ' if schemas else ''}{types}. " if content else ""


def _responses(operation: dict[str, Any]) -> str:
    parts = []
    for status, response in operation["responses"].items():
        schema = next(filter(None, map(_schema, response.get("content", {}).values())), "")
        parts.append(f"{status} ({schema})" if schema and status < "300" else status)
    return f"Responses: {', '.join(parts)}."


def _schema(media: dict[str, Any]) -> str:
    name = str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    return f"`{name}`" if name else ""


def _wrapped(text: str) -> list[str]:
    return (
        [*textwrap.wrap(" ".join(text.split()), 100, break_long_words=False, break_on_hyphens=False), ""]
        if text
        else []
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    print(http_reference(), end="")
