"""`tocsin token`: issue a bearer token for the API, for development."""

import time
from typing import Annotated, Any

import typer

from service.cli.support.output import CliError, json_line, print_note, print_text
from service.cli.support.times import duration_s, iso
from service.settings import DEV_SECRET, Settings, load

app = typer.Typer(add_completion=False)
_MAX_ID_CHARACTERS = 128


@app.command(no_args_is_help=True)
def token(
    recipient: Annotated[
        str, typer.Argument(metavar="RECIPIENT", help="The recipient id that the token is for.")
    ],
    scope: Annotated[list[str] | None, typer.Option(help="A scope; repeatable. Default: inbox.")] = None,
    ttl: Annotated[str, typer.Option(help="Lifetime: 15m, 8h.")] = "8h",
    as_json: Annotated[bool, typer.Option("--json", help="Print the token with its claims as JSON.")] = False,
) -> None:
    """Issue a JWT (HS256) with which the API identifies the caller as this recipient."""
    from service.model.access import SCOPES

    if not 0 < len(recipient) <= _MAX_ID_CHARACTERS or not recipient.isprintable():
        raise typer.BadParameter("must be 1 to 128 printable characters", param_hint="RECIPIENT")
    scopes = [name for value in scope or ["inbox"] for name in value.replace(",", " ").split()]
    if unknown := [name for name in scopes if name not in SCOPES]:
        raise typer.BadParameter(
            f"there is no scope {unknown[0]}; scopes are {', '.join(SCOPES)}", param_hint="--scope"
        )
    lifetime_s = duration_s(ttl)
    settings = load()
    key, now = _key(settings), int(time.time())
    claims: dict[str, Any] = {
        "sub": recipient,
        "aud": settings.auth.audience,
        "iat": now,
        "exp": now + int(lifetime_s),
        "scope": " ".join(scopes),
    }
    import jwt

    text = jwt.encode(claims, key, algorithm="HS256")
    if as_json:
        json_line({"token": text, **claims})
    else:
        print_text(text)
        print_note(f"for {recipient}, {claims['scope']}, until {iso(claims['exp'] * 1000)}")


def _key(settings: Settings) -> str:
    """Return the secret that the API verifies with. Raise CliError when another issuer signs the API's tokens."""
    auth = settings.auth
    if auth.jwks_url and settings.mode != "dev":
        raise CliError(
            f"the API accepts tokens of the issuer with the keys at {auth.jwks_url} only",
            "request one from that issuer",
        )
    if auth.algorithms and "HS256" not in auth.algorithms:
        raise CliError("HS256 is not among TOCSIN_AUTH__ALGORITHMS, so the API would refuse this token")
    secret = auth.secret.get_secret_value()
    if not secret and settings.mode != "dev":
        print_note(
            "TOCSIN_AUTH__SECRET is not set: this token is signed with the dev secret; only `tocsin dev` accepts it"
        )
    return secret or DEV_SECRET
