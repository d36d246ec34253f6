"""Authorization of every route, and its error responses."""

import httpx
import pytest

from service.pipeline.tables.credentials import create_key, revoke_key, set_password
from service.settings.limits import LimitSettings
from tests.support.api_fixture import ACCOUNT as ACME
from tests.support.api_fixture import PASSWORD, ApiFixture, basic, fake_api

CONTACTS = "/api/2.0/notification_contacts/"

INBOX = [
    ("GET", "/counts"),
    ("GET", "/notifications"),
    ("DELETE", "/notifications/x"),
    ("POST", "/notifications"),
]
INBOX += [
    ("POST", "/v1/inbox/read-all"),
    ("GET", "/v1/inbox/stream"),
    ("POST", "/v1/inbox/stream-tickets"),
    ("GET", "/v1/inbox/preferences"),
    ("PATCH", "/v1/inbox/preferences"),
]
TOKENS = [("POST", "/v1/tokens")]
TABLES = [
    ("GET", "/api/v1/notification/"),
    ("PATCH", "/api/v1/notification/configure/"),
    ("GET", "/v1/recipients"),
]
TABLES += [(method, "/v1/recipients/a") for method in ("GET", "PUT", "PATCH", "DELETE")]
EVENTS = [("POST", "/v1/events")]
OPERATE_READ = [("GET", "/v1/explain"), ("POST", "/v1/what-if"), ("GET", "/v1/outcomes/stream")]
OPERATE_READ += [
    ("GET", f"/v1/{noun}")
    for noun in ("deliveries", "events", "dead-letters", "operations", "due", "suppressions", "keys")
]
OPERATE_READ += [("GET", "/v1/workers"), ("GET", "/v1/problems")]
OPERATE_READ += [("GET", f"/v1/{noun}/x") for noun in ("deliveries", "events", "dead-letters", "operations")]
OPERATE_WRITE = [("POST", "/v1/bounces"), ("POST", "/v1/replays"), ("POST", "/v1/operations/x/cancel")]
OPERATE_WRITE += [("POST", f"/v1/dead-letters/{verb}") for verb in ("redrive", "discard")]
OPERATE_READ += [("GET", "/v1/due/deliveries")]
OPERATE_WRITE += [("POST", f"/v1/due/{verb}") for verb in ("release", "retime", "cancel")]
OPERATE_WRITE += [("POST", "/v1/suppressions"), ("POST", "/v1/suppressions/remove")]
OPERATE_WRITE += [("POST", "/v1/keys"), ("DELETE", "/v1/keys/x")]
ACCOUNT = [
    (method, f"/api/2.0/notification_{noun}")
    for method, noun in (
        ("GET", "contacts/"),
        ("POST", "contacts/"),
        ("GET", "contacts/x/"),
        ("PUT", "contacts/x/"),
        ("DELETE", "contacts/x/"),
        ("GET", "contacts/detail/"),
        ("GET", "contacts/schema/"),
        ("GET", "preferences/"),
        ("GET", "preferences/detail/"),
        ("GET", "preferences/schema/"),
        ("PUT", "preferences/"),
    )
]
OPEN = {"/livez", "/readyz"}


def test_every_route_is_listed(api: ApiFixture) -> None:
    """Every documented route is in the lists above, so that the tests below cover it."""
    known = {
        (m, p.replace("/x", "/{}").replace("recipients/a", "recipients/{}"))
        for m, p in INBOX + TOKENS + TABLES + EVENTS + OPERATE_READ + OPERATE_WRITE + ACCOUNT
    }
    documented = {
        (method.upper(), path.replace("{id}", "{}").replace("{uuid}", "{}"))
        for path, operations in api.app.openapi()["paths"].items()
        for method in operations
        if path not in OPEN
    }

    assert documented == known


@pytest.mark.parametrize(
    ("method", "path"), INBOX + TOKENS + TABLES + EVENTS + OPERATE_READ + OPERATE_WRITE + ACCOUNT
)
async def test_every_route_requires_a_credential(api: ApiFixture, method: str, path: str) -> None:
    """401 without a credential, with an invalid one, or with one of the wrong kind."""
    missing = await api.client.request(method, path)
    invalid = await api.client.request(method, path, headers={"Authorization": "Bearer x"})
    wrong_kind = await api.client.request(
        method,
        path,
        **(
            {"headers": api.bearer("a", "inbox", "tables", "events", "operate")}
            if "2.0" in path
            else {"auth": basic()}
        ),
    )

    assert [answer.status_code for answer in (missing, invalid, wrong_kind)] == [401] * 3


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [(*route, "inbox") for route in INBOX]
    + [(*route, "tokens") for route in TOKENS]
    + [(*route, "tables") for route in TABLES]
    + [(*route, "events") for route in EVENTS]
    + [(*route, "operate:read") for route in OPERATE_READ]
    + [(*route, "operate:write") for route in OPERATE_WRITE],
)
async def test_every_route_requires_its_scope(api: ApiFixture, method: str, path: str, scope: str) -> None:
    """A token with every scope but the right one is 403, and the response names the missing scope."""
    others = {"inbox", "tokens", "tables", "events", "operate:read", "operate:personal"} - {scope}

    answer = await api.client.request(method, path, headers=api.bearer("alice", *sorted(others)))

    assert answer.status_code == 403
    assert f'scope="{scope}"' in answer.headers["www-authenticate"]


async def test_api_key(api: ApiFixture) -> None:
    """A service's key gives access by its scopes, but never to an inbox; a revoked key gives none."""
    row, text = await create_key(api.deps.writer, api.clock, "shop", ["tables", "inbox"])
    headers = {"Authorization": f"Bearer {text}"}

    assert text.partition("_")[2].rpartition("_")[2] not in row.model_dump_json()
    assert (await api.client.get("/v1/recipients", headers=headers)).status_code == 200
    assert (await api.client.post("/v1/events", headers=headers)).status_code == 403
    assert (await api.client.get("/counts", headers=headers)).status_code == 403
    await revoke_key(api.deps.writer, api.clock, row.id)
    revoked = await api.client.get("/v1/recipients", headers=headers)
    assert (revoked.status_code, revoked.json()["detail"]) == (401, "The API key is revoked.")
    assert [m.topic for m in api.publisher.messages] == ["tables.api-keys"] * 2


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: t[:-1], lambda t: t + "A"]
)
async def test_malformed_api_keys(api: ApiFixture, change) -> None:  # type: ignore[no-untyped-def]
    """A key with a character changed, missing or added is 401."""
    _, text = await create_key(api.deps.writer, api.clock, "shop", ["tables"])

    answer = await api.client.get("/v1/recipients", headers={"Authorization": f"Bearer {change(text)}"})

    assert answer.status_code == 401


async def test_unknown_scope(api: ApiFixture) -> None:
    """A key with an unknown scope cannot be created."""
    with pytest.raises(ValueError, match="root"):
        await create_key(api.deps.writer, api.clock, "shop", ["root"])


async def test_new_password(api: ApiFixture) -> None:
    """A new password is in force at once, although the old one is in the cache."""
    path = "/api/2.0/notification_contacts/"
    assert (await api.client.get(path, auth=basic())).status_code == 200

    await set_password(api.deps.writer, "acme", "another")

    assert (await api.client.get(path, auth=basic())).status_code == 401
    assert (await api.client.get(path, auth=basic(password="another"))).status_code == 200


@pytest.mark.conformance("RFC 7617", "2 Basic", "What is no account and password in UTF-8 and Base64 is 401.")
@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic YQ==", "Basic OnB3", "Basic //8=", "Basic YWNtZTo="]
)
async def test_malformed_basic(api: ApiFixture, header: str) -> None:
    """A Basic credential without an account and a password is 401."""
    answer = await api.client.get("/api/2.0/notification_contacts/", headers={"Authorization": header})

    assert answer.status_code == 401


async def test_verified_once(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right password runs the slow hash once a day, a wrong one each time."""
    verified = []
    passwords = api.app.state.authenticators.passwords
    slow = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda *args: verified.append(args) or slow(*args))

    for password in ("acme-dev-only", "acme-dev-only", "x", "x"):
        await api.client.get("/api/2.0/notification_contacts/", auth=basic(password=password))

    assert len(verified) == 3


async def test_password_guesses_are_rate_limited() -> None:
    """Past the limit a client address gets 429 before its password is verified."""
    async with fake_api(limits=LimitSettings(passwords="2/minute")) as api:
        path = "/api/2.0/notification_contacts/"
        statuses = [(await api.client.get(path, auth=basic(password=str(n)))).status_code for n in range(3)]
        right = await api.client.get(path, auth=basic())

    assert statuses == [401, 401, 429]
    assert (right.status_code, right.headers["retry-after"]) == (429, "60")


async def guess(api: ApiFixture, address: str, password: str, account: str = ACME) -> int:
    """Return the status of a request with this password from this client address."""
    transport = httpx.ASGITransport(api.app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        return (await client.get(CONTACTS, auth=basic(account, password))).status_code


async def test_one_address_cannot_try_much_on_one_account() -> None:
    """The limit holds for the pair: the account from elsewhere, and other accounts from there, are not affected."""
    async with fake_api(limits=LimitSettings(passwords_per_account_and_address="2/minute")) as api:
        tried = [await guess(api, "192.0.2.1", str(n)) for n in range(3)]
        elsewhere, another = await guess(api, "192.0.2.2", "x"), await guess(api, "192.0.2.1", "x", "other")
        right = await guess(api, "192.0.2.3", PASSWORD)

    assert tried == [401, 401, 429]
    assert (elsewhere, another, right) == (401, 401, 200)


async def test_many_addresses_cannot_try_much_on_one_account() -> None:
    """Guesses from everywhere are limited by account; a caller that signed in before is not locked out."""
    async with fake_api(limits=LimitSettings(passwords_per_account="5/hour")) as api:
        before = await guess(api, "198.51.100.1", PASSWORD)
        tried = [await guess(api, f"192.0.2.{n}", str(n)) for n in range(8)]
        after = [await guess(api, f"198.51.100.{n}", PASSWORD) for n in range(3)]
        another = await guess(api, "192.0.2.1", "x", "other")

    assert before == 200
    assert tried == [401] * 4 + [429] * 4
    assert after == [200] * 3
    assert another == 401


async def test_an_ipv6_client_is_its_network() -> None:
    """A client that has a /64 network cannot try once from each of its addresses."""
    async with fake_api(limits=LimitSettings(passwords="2/minute")) as api:
        tried = [await guess(api, f"2001:db8::{n:x}", str(n)) for n in range(1, 4)]
        other = await guess(api, "2001:db8:0:1::1", "x")

    assert (tried, other) == ([401, 401, 429], 401)


async def test_a_long_account_name_costs_nothing(api: ApiFixture) -> None:
    """An account name that cannot exist is refused before it is counted or hashed."""
    assert await guess(api, "192.0.2.1", "x", "a" * 129) == 401
    assert not api.deps.rate_limits.taken  # type: ignore[attr-defined]


async def test_rate_limit() -> None:
    """Responses have the remaining quota; past the limit it is 429 with Retry-After; other callers are not affected."""
    async with fake_api(limits=LimitSettings(inbox="2/minute")) as api:
        answers = [await api.client.get("/counts", headers=api.bearer()) for _ in range(3)]
        other = await api.client.get("/counts", headers=api.bearer("bob"))

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"2"}
    assert answers[2].headers["retry-after"] == answers[2].headers["ratelimit-reset"] == "60"
    assert other.status_code == 200
