"""Tokens for development: the API accepts them, and none is issued where another issuer signs."""

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

    issued = json.loads(
        RUN.invoke(app, ["token", "alice", "--scope", "inbox,tables", "--ttl", "1h", "--json"]).stdout
    )

    principal = await Tokens(Settings(auth=AuthSettings(secret=SECRET))).principal(issued["token"])
    assert (principal.id, principal.scopes) == ("alice", frozenset({"inbox", "tables"}))
    assert issued["exp"] - issued["iat"] == 3600


async def test_without_a_secret_the_token_has_the_dev_secret_and_a_note() -> None:
    """`tocsin dev` needs no setting; any other API refuses the token."""
    result = RUN.invoke(app, ["token", "alice"])

    tokens = Tokens(Settings(mode="dev", auth=AuthSettings(secret=DEV_SECRET)))
    assert (await tokens.principal(result.stdout.strip())).id == "alice"
    assert "only `tocsin dev` accepts it" in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOCSIN_AUTH__JWKS_URL", "https://issuer.test/jwks"), ("TOCSIN_AUTH__ALGORITHMS", '["RS256"]')],
)
def test_no_token_where_another_issuer_signs(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """One line instead of a token that the API would refuse."""
    monkeypatch.setenv(name, value)

    result = RUN.invoke(app, ["token", "alice"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
