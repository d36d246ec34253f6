"""Strings that often break programs, in every text field: never a 5xx, and accepted strings come back unchanged."""

import json
import os
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import orjson
import pytest

from service.model.address import InvalidAddress, check_address
from tests.support.api_fixture import HIGH_LIMITS, ApiFixture, basic, fake_api
from tests.support.paths import CORPORA

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(not CORPORA.is_dir(), reason=f"no corpora in {CORPORA}; TOCSIN_CORPORA names another"),
]

OWN = [
    "\x00",
    "a\x00b",
    "\r\nBcc: x@example.com",
    "\x85",
    "\u2028",
    "\ufeff",
    "\u202e",
    "\ud7ff",
    "\U0010ffff",
    "a" * 70_000,
]
CONTACTS, PREFERENCES = "/api/2.0/notification_contacts/", "/api/2.0/notification_preferences/"
CONFIGURE = "/api/v1/notification/configure/"


def strings() -> list[str]:
    """Return the unprintable strings, every eighth of the others, and OWN; all of them with TOCSIN_THOROUGH."""
    every = json.loads((CORPORA / "naughty_strings.json").read_text())
    if not os.environ.get("TOCSIN_THOROUGH"):
        every = [text for n, text in enumerate(every) if n % 8 == 0 or not text.isprintable()]
    return [*every, *OWN]


async def send(api: ApiFixture, method: str, path: str, body: Any = None, **headers: str) -> Any:
    auth: dict[str, Any] = {"auth": basic()} if "2.0" in path else {}
    headers = {} if "2.0" in path else {**api.bearer("alice", "inbox", "tables", "events"), **headers}
    content = None if body is None else orjson.dumps(body)
    answer = await api.client.request(method, path, content=content, headers=headers, **auth)
    assert answer.status_code < 500, (method, path, body, answer.text)
    return answer


async def test_bodies() -> None:
    """Put each string into every text field of every body."""
    async with fake_api(limits=HIGH_LIMITS) as api:
        made = await send(api, "POST", CONTACTS, {"objects": [{"email": "a@example.com"}]})
        uuid = made.json()["objects"][0]["uuid"]
        for text in strings():
            await send(api, "POST", "/notifications", {"data": [{"type": "notifications", "id": text}]})
            await send(api, "POST", "/notifications", {"data": [{"type": text, "id": "a"}]})
            await send(api, "PATCH", CONFIGURE, {"external_id": text, "project_id": text})
            await send(api, "PATCH", CONFIGURE, {"external_id": "a", "fon_offer": [text]})
            await send(api, "PATCH", CONFIGURE, {"external_id": "a", text: [text]})
            await send(api, "PUT", "/v1/recipients/a", {"address": text, "locale": text, "timezone": text})
            await send(api, "PUT", "/v1/recipients/a", {"roles": [text], "preferences": {text: {text: True}}})
            await send(api, "PUT", "/v1/recipients/a", {text: text})
            await send(api, "PATCH", "/v1/recipients/a", {text: text})
            for field in ("contact", "medium", "type", "value"):
                good = {"contact": f"{CONTACTS}{uuid}/", "medium": "email", "type": "payment", "value": True}
                await send(api, "PUT", PREFERENCES, {**good, field: text})
            for field in ("name", "phone"):
                answer = await send(api, "PUT", f"{CONTACTS}{uuid}/", {field: text})
                assert answer.status_code == 422 or answer.json()[field] == text
            answer = await send(api, "PUT", "/v1/recipients/a", {"name": text})
            assert answer.status_code == 422 or answer.json()["name"] == text


async def test_events() -> None:
    """Put each string into every attribute of an event and its data, and send it as a whole body."""
    async with fake_api(limits=HIGH_LIMITS) as api:
        good = {"id": "1", "source": "/s", "type": "overbid", "recipients": ["a"], "data": {"lot_id": "1"}}
        for text in strings():
            for field in (
                "id",
                "source",
                "type",
                "time",
                "actor",
                "recipients",
                "data",
                "expires",
                "partitionkey",
            ):
                await send(api, "POST", "/v1/events", {**good, field: text})
            await send(api, "POST", "/v1/events", {**good, "data": {"lot_id": text, text: text}})
            await send(api, "POST", "/v1/events", text)


async def test_paths_queries_and_headers() -> None:
    """Put each string into every part of a URL and every header that the API reads."""
    async with fake_api(limits=HIGH_LIMITS) as api:
        for text in strings():
            api.clock.advance(10)  # a deleted recipient can be created again only later
            url = quote(text[:2000], safe="")
            header = text[:2000].encode("utf-8").decode("latin-1").translate(dict.fromkeys(range(32)))
            await send(api, "DELETE", f"/notifications/{url}")
            await send(api, "GET", f"/notifications?sort={url}")
            await send(api, "GET", f"/notifications?filter[type]={url}")
            await send(api, "GET", f"/notifications?page[size]={url}&page[after]={url}")
            await send(api, "GET", f"/notifications?page[after]=1.{url}")
            await send(api, "GET", f"/counts?{url}={url}")
            await send(api, "GET", f"{CONTACTS}?limit={url}&offset={url}")
            await send(api, "GET", f"{CONTACTS}{url}/")
            await send(api, "GET", f"/api/v1/notification/?external_id={url}&project_id={url}")
            await send(api, "GET", f"/v1/recipients?after={url}&limit={url}")
            for method in ("GET", "PUT", "DELETE"):
                await send(api, method, f"/v1/recipients/{url}", {} if method == "PUT" else None)
            for name in ("Accept", "Content-Type", "Idempotency-Key", "ce-id", "traceparent"):
                raw = [(name.encode(), header.encode("latin-1"))]
                raw += [(k.encode(), v.encode()) for k, v in api.bearer("alice", "inbox", "events").items()]
                for path in ("/notifications", "/v1/events"):
                    answer = await api.client.post(path, content=b"{}", headers=raw)
                    assert answer.status_code < 500, (name, text, answer.text)
            for scheme in ("Bearer", "Basic", ""):
                raw = [(b"authorization", f"{scheme} {header}".encode("latin-1"))]
                for path in ("/counts", CONTACTS):
                    assert (await api.client.get(path, headers=raw)).status_code == 401


def _addresses() -> list[tuple[str, bool]]:
    """Return the corpora's addresses, with whether a strict parser must refuse them."""
    addresses = []
    for test in ElementTree.parse(CORPORA / "isemail_tests.xml").iter("test"):
        text = (test.findtext("address") or "").translate({0x2400 + n: n for n in range(32)})
        addresses.append((text, test.findtext("category") == "ISEMAIL_ERR"))
    for name in ("valid", "invalid"):
        lines = (CORPORA / f"mailbox_{name}.txt").read_text().splitlines()
        addresses += [(line, False) for line in lines if line and not line.startswith("#")]
    return addresses


@pytest.mark.parametrize(("text", "refused"), _addresses() if CORPORA.is_dir() else [])
def test_addresses(text: str, refused: bool) -> None:
    """Invalid addresses are refused; accepted ones are one addr-spec without characters that could break a header."""
    try:
        accepted = check_address(text)
    except InvalidAddress as error:
        accepted = ""
        leaked = len(text) > 3 and text in str(error)
    if not accepted:
        assert not leaked
        return
    assert accepted == text
    assert not refused
    assert text.count("@") == 1
    assert text.isprintable()
    assert not set(text) & set(' ,;:<>()[]"\\')
