"""`python -m service.api` prints the OpenAPI document, with sorted keys, so that its output is reproducible."""

import sys

import orjson

from service.api.app import bare_app
from service.api.reference.openapi import document


def main() -> None:
    """Write the OpenAPI document to standard output."""
    text = orjson.dumps(document(bare_app()), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    sys.stdout.write(text.decode() + "\n")


if __name__ == "__main__":
    main()
