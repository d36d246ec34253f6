"""Tokens for one inbox, which an app's server asks for."""

import time
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from service.api.auth.inbox_tokens import InboxTokens
from service.api.auth.tokens import Tokens
from service.pipeline.tables.credentials import create_key
from service.settings import DEV_SECRET, AuthSettings, Settings
from tests.support.api_fixture import ApiFixture, inbox_item, token

PATH = "/v1/tokens"


async def issue(api: ApiFixture, **body: Any) -> httpx.Response:
    _, key = await create_key(api.deps.writer, api.clock, "shop", ["tokens"])
    return await api.client.post(PATH, json=body, headers={"Authorization": f"Bearer {key}"})


async def bearer(api: ApiFixture, recipient: str) -> dict[str, str]:
    answer = (await issue(api, recipient=recipient)).json()
    return {"Authorization": f"{answer['token_type']} {answer['access_token']}"}


async def test_a_token_reads_one_inbox(api: ApiFixture) -> None:
    """An app's server gets it with an API key; it is the recipient's, and has the scope inbox alone."""
    await api.add(inbox_item("overbid", id="a"), inbox_item("overbid", "bob", id="b"))
    headers = await bearer(api, "alice")

    shown = await api.client.get("/notifications", headers=headers)

    assert [entry["id"] for entry in shown.json()["data"]] == ["a"]
    assert (await api.client.delete("/notifications/b", headers=headers)).status_code == 404
    for path in ("/v1/recipients", "/v1/explain?event=x"):
        assert (await api.client.get(path, headers=headers)).status_code == 403
    assert (await api.client.post(PATH, json={"recipient": "bob"}, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("body", "lifetime_s"), [({}, 900), ({"expires_in": 60}, 60), ({"expires_in": 3600}, 3600)]
)
async def test_lifetime(api: ApiFixture, body: dict[str, int], lifetime_s: int) -> None:
    """A quarter of an hour by default; the response and the token's own claim say when it ends."""
    answer = await issue(api, recipient="alice", **body)

    assert answer.headers["cache-control"] == "no-store"
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert (answer.json()["expires_in"], claims["exp"] - claims["iat"]) == (lifetime_s, lifetime_s)
    assert answer.json()["scope"] == claims["scope"] == "inbox"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/recipient"),
        ({"recipient": ""}, "#/recipient"),
        ({"recipient": "x" * 129}, "#/recipient"),
        ({"recipient": "a\nb"}, "#/recipient"),
        ({"recipient": 5}, "#/recipient"),
        ({"recipient": "a", "expires_in": 59}, "#/expires_in"),
        ({"recipient": "a", "expires_in": 3601}, "#/expires_in"),
        ({"recipient": "a", "expires_in": "900"}, "#/expires_in"),
        ({"recipient": "a", "scope": "operate"}, "#/scope"),
    ],
)
async def test_bad_requests(api: ApiFixture, body: dict[str, Any], pointer: str) -> None:
    """422, with a pointer to the field."""
    answer = await issue(api, **body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def settings(*token_secrets: str, secret: str = "", mode: str = "production") -> Settings:
    auth = AuthSettings(
        secret=SecretStr(secret),
        token_secrets=tuple(map(SecretStr, token_secrets)),
        jwks_url="https://issuer.test/jwks",
    )
    return Settings.model_validate({"mode": mode, "auth": auth})


OLD, NEW = "o" * 32, "n" * 32


async def test_a_secret_can_be_replaced() -> None:
    """The first secret signs, all verify; a token of a secret that is gone is refused."""
    text = Tokens(settings(OLD)).inbox.token("alice", int(time.time()), 60)

    assert (await Tokens(settings(NEW, OLD)).principal(text)).id == "alice"
    with pytest.raises(Exception, match="not valid"):
        await Tokens(settings(NEW)).principal(text)
    new = Tokens(settings(NEW, OLD)).inbox.token("alice", int(time.time()), 60)
    assert (await Tokens(settings(NEW)).principal(new)).id == "alice"


async def test_an_expired_token() -> None:
    """It is over when it says so, without a grace period: the clock is the one that signed it."""
    tokens = Tokens(settings(NEW))

    with pytest.raises(Exception, match="has expired"):
        await tokens.principal(tokens.inbox.token("alice", int(time.time()) - 61, 60))


@pytest.mark.parametrize("typ", ["JWT", "tocsin-inbox+jwt"])
async def test_neither_kind_of_token_is_the_other(typ: str) -> None:
    """The keys differ although the secret is the same, so a changed header opens nothing."""
    tokens = Tokens(settings(secret=NEW))
    inbox = InboxTokens([NEW])
    key_id, key = next(iter(inbox._keys.items()))
    claims = {"sub": "alice", "exp": time.time() + 60, "scope": "inbox operate"}
    forged = (
        jwt.encode({**claims, "aud": "tocsin"}, key, "HS256", {"typ": typ}),
        jwt.encode({**claims, "aud": "tocsin-inbox"}, NEW, "HS256", {"typ": typ, "kid": key_id}),
        jwt.encode({**claims, "aud": "tocsin"}, key, "HS256", {"typ": typ, "kid": key_id}),
        jwt.encode({**claims, "aud": "tocsin-inbox"}, None, "none", {"typ": typ, "kid": key_id}),
    )

    for text in forged:
        with pytest.raises(Exception, match=r"not valid|not accepted|another audience"):
            await tokens.principal(text)


async def test_without_a_secret(monkeypatch: pytest.MonkeyPatch, api: ApiFixture) -> None:
    """The response says what the operator has to set."""
    monkeypatch.setattr(api.app.state.authenticators.tokens, "inbox", InboxTokens([]))

    answer = await issue(api, recipient="alice")

    assert (answer.status_code, answer.json()["type"]) == (501, "urn:tocsin:problem:no-token-secret")
    assert "TOCSIN_AUTH__TOKEN_SECRETS" in answer.json()["detail"]


@pytest.mark.parametrize("secret", ["short", DEV_SECRET])
def test_a_weak_secret(secret: str) -> None:
    """The API does not start with it."""
    with pytest.raises(ValueError, match="TOCSIN_AUTH__TOKEN_SECRETS"):
        Tokens(settings(secret))


async def test_a_ticket(api: ApiFixture) -> None:
    """It needs the token of the inbox, and opens the stream once; nothing else takes it."""
    answer = await api.client.post("/v1/inbox/stream-tickets", headers=api.bearer())
    ticket = answer.json()["ticket"]

    assert (answer.json()["expires_in"], len(ticket)) == (30, 43)
    assert (await api.client.get("/counts", params={"ticket": ticket})).status_code == 401
    first = await api.client.head("/v1/inbox/stream", params={"ticket": ticket})
    second = await api.client.head("/v1/inbox/stream", params={"ticket": ticket})
    assert (first.status_code, second.status_code) == (200, 401)
    assert 'error="invalid_token"' not in second.headers["www-authenticate"]


async def test_a_token_beside_a_ticket(api: ApiFixture) -> None:
    """The token counts, and the ticket stays."""
    ticket = (await api.client.post("/v1/inbox/stream-tickets", headers=api.bearer())).json()["ticket"]
    stream = {"url": "/v1/inbox/stream", "params": {"ticket": ticket}}
    wrong = {"Authorization": f"Bearer {token('alice', 'tables')}"}

    assert (await api.client.head(**stream, headers=wrong)).status_code == 403
    assert (await api.client.head(**stream)).status_code == 200
