"""Tokens for development: what the API accepts, and where none is given."""

import json

import pytest
from typer.testing import CliRunner

from service.api.auth.tokens import Tokens
from service.cli import app
from service.cli.support import output
from service.settings import DEV_SECRET, AuthSettings, Settings

RUN = CliRunner()
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _fresh_console() -> None:
    output.console.cache_clear()


async def test_the_api_accepts_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the configured secret, audience, subject and scopes."""
    monkeypatch.setenv("TOCSIN_AUTH__SECRET", SECRET)

    told = json.loads(
        RUN.invoke(app, ["token", "alice", "--scope", "inbox,tables", "--ttl", "1h", "--json"]).stdout
    )

    principal = await Tokens(Settings(auth=AuthSettings(secret=SECRET))).principal(told["token"])
    assert (principal.id, principal.scopes) == ("alice", frozenset({"inbox", "tables"}))
    assert told["exp"] - told["iat"] == 3600


async def test_without_a_secret_it_is_the_dev_secret_and_says_so() -> None:
    """Beside `tocsin dev` nothing needs to be set; elsewhere the token opens nothing."""
    ended = RUN.invoke(app, ["token", "alice"])

    tokens = Tokens(Settings(mode="dev", auth=AuthSettings(secret=DEV_SECRET)))
    assert (await tokens.principal(ended.stdout.strip())).id == "alice"
    assert "only `tocsin dev` accepts it" in ended.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOCSIN_AUTH__JWKS_URL", "https://issuer.test/jwks"), ("TOCSIN_AUTH__ALGORITHMS", '["RS256"]')],
)
def test_where_another_issues_tokens_none_is_made(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """One clear line instead of a token that is refused later."""
    monkeypatch.setenv(name, value)

    ended = RUN.invoke(app, ["token", "alice"])

    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
