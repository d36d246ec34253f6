"""The attributes and the data of a CloudEvent, whichever form it comes in.

CloudEvents 1.0.2 with its JSON format and its Kafka binding: structured mode, binary mode (`ce_` headers), and bare
JSON with the same fields. An attribute that is null is unset, in JSON and in headers.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import orjson

from service.model.event import InvalidEvent
from service.model.reasons import DeadReason
from service.model.record import Headers
from service.pipeline.resolve import strict_json

MAX_ATTRIBUTES = 256
OUR_NAMES = frozenset({"external_id", "project_id", "supersede_key"})
"""Attributes of ours whose names have an underscore, which CloudEvents does not allow; it may be left out."""

_COMMON_NAMES = frozenset(
    {"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "recipients", "account"}
)

_STRUCTURED = "application/cloudevents+json"
_JSON_TYPES = ("", "application/json", "text/json", "text/plain", "application/octet-stream")
_UTF8_NAMES = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_NAME = re.compile(r"[a-z0-9]{1,128}")
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s;"]*)', re.IGNORECASE)
_MAPPED_TYPES = "spring_json_header_types"


def read_event(value: bytes | None, headers: Headers) -> dict[str, Any]:
    """Return the attributes and `data` of an event; those that are unset are absent. Raise InvalidEvent."""
    texts = _header_texts(headers) if headers else {}
    content_type = texts.get("content-type") or texts.get("contenttype") or ""
    media_type = content_type.partition(";")[0].strip().strip('"').lower()
    if media_type.startswith("application/cloudevents") and media_type != _STRUCTURED:
        raise InvalidEvent(DeadReason.unsupported_content_type, ascii(media_type[:128]))
    _check_charset(content_type, value)
    binary = media_type != _STRUCTURED and any(name.startswith("ce_") for name in texts)
    fields = _binary(value, texts, media_type) if binary else _structured(value)
    if len(fields) > MAX_ATTRIBUTES:
        raise InvalidEvent(DeadReason.invalid_attribute, f"more than {MAX_ATTRIBUTES} attributes")
    if binary or media_type == _STRUCTURED:
        _check_attributes(fields)
    if "traceparent" in texts:
        fields.setdefault("traceparent", texts["traceparent"])
    if (version := fields.get("specversion", "1.0")) != "1.0":
        raise InvalidEvent(DeadReason.unsupported_specversion, ascii(str(version)[:32]))
    return fields


def _header_texts(headers: Headers) -> dict[str, str]:
    """Return the headers that ingest uses, by lower-case name; those that are null are absent.

    Raise InvalidEvent for one that is no UTF-8, for an attribute that is there twice, and for too many bytes.
    """
    texts: dict[str, str] = {}
    size = 0
    for header, content in headers:
        name = header.lower()
        if content is None or not (name.startswith("ce_") or name in _USED_HEADERS):
            continue
        if name in texts and name.startswith("ce_"):
            raise InvalidEvent(DeadReason.invalid_attribute, f"header {name[:64]!a}: is there twice")
        size += len(name) + len(content)
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError:
            raise InvalidEvent(DeadReason.invalid_utf8, f"header {name[:64]!a}") from None
    if size > strict_json.MAX_BYTES:
        raise InvalidEvent(DeadReason.too_large, f"{size} bytes of headers")
    return _unmapped(texts) if _MAPPED_TYPES in texts else texts


_USED_HEADERS = frozenset({"content-type", "contenttype", "traceparent", _MAPPED_TYPES})


def _unmapped(texts: dict[str, str]) -> dict[str, str]:
    """Return headers as they were before Spring for Apache Kafka mapped them: it may write text as a JSON string."""
    return {name: _unquoted(text) if text.startswith('"') else text for name, text in texts.items()}


def _unquoted(text: str) -> str:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return content if isinstance(content, str) else text


def _check_charset(content_type: str, value: bytes | None) -> None:
    """Raise InvalidEvent for JSON in another charset: it is UTF-8 (RFC 8259 section 8.1), unless all of it is ASCII."""
    match = _CHARSET.search(content_type) if ";" in content_type else None
    if match and match[1].lower() not in _UTF8_NAMES and not (value or b"").isascii():
        raise InvalidEvent(DeadReason.unsupported_content_type, f"charset {match[1][:64]!a}")


def _binary(value: bytes | None, texts: Mapping[str, str], media_type: str) -> dict[str, Any]:
    if media_type not in _JSON_TYPES and not media_type.endswith("+json"):
        raise InvalidEvent(DeadReason.unsupported_content_type, ascii(media_type[:128]))
    fields: dict[str, Any] = {name[3:]: text for name, text in texts.items() if name.startswith("ce_")}
    for name in ("data", "data_base64"):  # no attributes: the data is the value of the record
        fields.pop(name, None)
    if value:
        fields["data"] = strict_json.loads(value)
    return fields


def _structured(value: bytes | None) -> dict[str, Any]:
    if not value:
        raise InvalidEvent(DeadReason.empty)
    fields = strict_json.loads(value)
    if not isinstance(fields, dict):
        raise InvalidEvent(DeadReason.not_an_object)
    if None in fields.values():
        fields = {name: content for name, content in fields.items() if content is not None}
    if "data_base64" in fields:
        if "data" in fields:
            raise InvalidEvent(DeadReason.invalid_attribute, "data and data_base64: only one may be there")
        fields["data"] = _base64(fields.pop("data_base64"))
    elif isinstance(data := fields.get("data"), str) and not _is_json(fields.get("datacontenttype")):
        # JSON in text (JSON format 3.1), as Dapr sends text/plain
        fields["data"] = strict_json.loads(data.encode())
    return fields


def _is_json(media_type: object) -> bool:
    """Return whether `data` of this `datacontenttype` is JSON itself and not a text that holds it."""
    if not isinstance(media_type, str):
        return True
    bare = media_type.partition(";")[0].strip().lower()
    return bare in ("", "application/json", "text/json") or bare.endswith("+json")


def _base64(encoded: Any) -> Any:
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidEvent(DeadReason.invalid_attribute, "data_base64: not base64") from None
    return strict_json.loads(content)


def _check_attributes(fields: Mapping[str, Any]) -> None:
    """Raise InvalidEvent for what CloudEvents forbids: a name with other characters, an object or array as a value.

    Bare JSON, which has no content type of CloudEvents, may have fields of its own.
    """
    for name, value in fields.items():
        if (type(value) is str and name in _COMMON_NAMES) or name == "data":
            continue
        if name not in OUR_NAMES and not _NAME.fullmatch(name):
            raise InvalidEvent(DeadReason.invalid_attribute, f"{name[:64]!a}: a name has only a-z and 0-9")
        if isinstance(value, dict) or (isinstance(value, list) and name != "recipients"):
            raise InvalidEvent(DeadReason.invalid_attribute, f"{name[:64]}: cannot be an object or array")
