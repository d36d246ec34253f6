"""Sessions: sealed, ending by themselves and by a sign-out, and not kept alive by what a page reads by itself."""

import pytest
from pydantic import SecretStr

from service.console.session import ConsoleSession, Seal, SessionSeal
from service.console.state import check_settings
from service.settings import Settings
from service.settings.console import ConsoleSettings
from tests.support.api_fixture import ApiFixture
from tests.unit.console.conftest import SAME_ORIGIN, console_of, current, keep, signed_in

_OLD, _NEW = "o" * 32, "n" * 32
_SESSION = ConsoleSession.begin("u", "U", ["viewer"], 1000.0)


def test_a_session_is_sealed() -> None:
    """Nothing in it can be read or changed, and what is sealed for one purpose is nothing for another."""
    seal = Seal([_OLD])
    text = SessionSeal(seal, 60, 600).close(_SESSION)

    assert SessionSeal(seal, 60, 600).open(text, 1000.0) == _SESSION
    assert seal.open("sign-in", text) is None
    for position in range(0, len(text) - 1, 7):  # the last character has bits that mean nothing
        changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        assert SessionSeal(seal, 60, 600).open(changed, 1000.0) is None


@pytest.mark.parametrize("text", ["", "x", "é", "A" * 5000, "....", "AAAA"])
def test_other_texts_are_no_session(text: str) -> None:
    assert SessionSeal(Seal([_OLD]), 60, 600).open(text, 0) is None


def test_secrets_rotate() -> None:
    """The first encrypts, all decrypt; one that has gone opens nothing."""
    text = Seal([_OLD]).close("session", ["x"])

    assert Seal([_NEW, _OLD]).open("session", text) == ["x"]
    assert Seal([_NEW]).open("session", text) is None


def test_a_session_ends() -> None:
    """When it was idle for too long, and at the latest after its lifetime."""
    sessions = SessionSeal(Seal([_OLD]), idle_s=60, lifetime_s=100)
    text = sessions.close(_SESSION)

    assert sessions.open(text, 1059.0) is not None
    assert sessions.open(text, 1060.0) is None
    later = sessions.close(sessions.seen(_SESSION, 1090.0))
    assert sessions.open(later, 1099.0) is not None
    assert sessions.open(later, 1100.0) is None


async def test_a_page_keeps_the_session_alive(api: ApiFixture) -> None:
    """A page that is opened does; what a page reads by itself does not."""
    signed_in(api)
    api.clock.advance(25 * 60_000)
    await api.client.get("/console/what-if", headers={"HX-Request": "true"})
    polled = current(api)
    await api.client.get("/console/what-if")
    opened = current(api)

    assert polled is not None
    assert opened is not None
    assert opened.seen_s - polled.seen_s == 25 * 60
    api.clock.advance(31 * 60_000)
    assert (await api.client.get("/console/what-if")).status_code == 303


async def test_a_sign_out_ends_a_copy_of_the_cookie(api: ApiFixture) -> None:
    session = signed_in(api)
    copied = api.client.cookies["tocsin-console"]

    response = await api.client.post("/console/sign-out", data={"csrf": session.token}, headers=SAME_ORIGIN)

    assert response.status_code == 200
    assert "tocsin-console" not in api.client.cookies
    keep(api, copied)
    assert (await api.client.get("/console/what-if")).status_code == 303


async def test_a_sign_in_begins_another_session(api: ApiFixture) -> None:
    """Whatever a browser had before: a session that another person has planted is never the one that is signed in."""
    planted = signed_in(api, "viewer")
    response = await api.client.post("/console/sign-in/dev", data={"role": "operator"}, headers=SAME_ORIGIN)
    assert response.status_code == 403  # the host is not of this machine

    headers = {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"}
    response = await api.client.post("/console/sign-in/dev", data={"role": "operator"}, headers=headers)
    (cookie,) = response.headers.get_list("set-cookie")
    session = console_of(api).sessions.open(
        cookie.partition("=")[2].partition(";")[0], api.clock.now_ms() / 1000
    )

    assert session is not None
    assert (session.id != planted.id, session.token != planted.token) == (True, True)
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie


def _production(**fields: object) -> Settings:
    console = {
        "issuer": "https://id.example.com",
        "client_id": "tocsin",
        "url": "https://notify.example.com",
        "secrets": (SecretStr(_OLD),),
        **fields,
    }
    return Settings(mode="production", console=ConsoleSettings.model_validate(console))


def test_settings_that_are_not_safe_are_refused() -> None:
    """Outside dev mode there is no console without TLS, a provider, and a secret of one's own."""
    check_settings(_production())
    for fields in (
        {"issuer": "", "enabled": True},
        {"issuer": "http://id.example.com"},
        {"client_id": ""},
        {"url": "http://notify.example.com"},
        {"url": ""},
        {"secrets": ()},
        {"secrets": (SecretStr("tocsin-dev-only-secret-never-use-elsewhere"),)},
    ):
        with pytest.raises(ValueError, match="TOCSIN_CONSOLE__"):
            check_settings(_production(**fields))


def test_who_has_a_console() -> None:
    """Those with a provider, and dev mode, unless the settings say otherwise."""
    assert _production().has_console
    assert not Settings(mode="production").has_console
    assert Settings(mode="dev").has_console
    assert not Settings(mode="dev", console=ConsoleSettings(enabled=False)).has_console
