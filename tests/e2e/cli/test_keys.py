"""`tocsin keys`: create, list and revoke; the API's own check accepts and refuses the keys."""

import asyncio

import pytest

from service.adapters.redis.client import Store
from service.adapters.redis.tables.credentials import RedisApiKeys
from service.api.auth.keys import service_of
from service.api.auth.principal import BadCredential, Principal
from tests.e2e.cli.tocsin import Tocsin


def _principal(tocsin: Tocsin, text: str) -> Principal:
    async def identify() -> Principal:
        store = Store(tocsin.settings.redis)
        try:
            return await service_of(text, RedisApiKeys(store))
        finally:
            await store.close()

    return asyncio.run(identify())


def test_a_key_is_valid_until_it_is_revoked(ready: Tocsin) -> None:
    """The key is printed once; lists never show it; after revocation the API refuses it."""
    created = ready.run("keys", "create", "billing", "--scope", "events", "--scope", "tables")
    text = created.out.strip()

    assert created.code == 0, created.err
    assert _principal(ready, text).scopes == {"events", "tables"}
    (listed,) = ready.run("keys", "list", "--json").documents
    assert (listed["name"], listed["scopes"], listed["revoked"]) == ("billing", "events tables", None)
    assert text.rpartition("_")[2] not in ready.run("keys", "list").out + str(listed)

    assert ready.run("keys", "revoke", listed["id"]).code == 0
    with pytest.raises(BadCredential):
        _principal(ready, text)
    assert ready.run("keys", "list", "--json").documents[0]["revoked"] is not None


def test_a_failure_is_one_line(ready: Tocsin) -> None:
    """An unknown key is a failure (1), an unknown scope is wrong usage (2)."""
    assert (
        ready.run("keys", "revoke", "nosuch").err
        == "tocsin: there is no key nosuch; `tocsin keys list` lists them\n"
    )
    assert ready.run("keys", "create", "x", "--scope", "everything").code == 2
