"""`tocsin token`: a bearer token for the API, for development."""

import time
from typing import Annotated, Any

import typer

from service.cli.support.output import CliError, json_line, print_note, print_text
from service.cli.support.times import iso, seconds
from service.settings import DEV_SECRET, Settings, load

app = typer.Typer(add_completion=False)
_LONGEST_ID = 128


@app.command(no_args_is_help=True)
def token(
    recipient: Annotated[str, typer.Argument(metavar="RECIPIENT", help="Whose token it is: a recipient id.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="What it allows; repeatable. `inbox`, unless given.")
    ] = None,
    ttl: Annotated[str, typer.Option(help="How long it is valid.")] = "8h",
    as_json: Annotated[bool, typer.Option("--json", help="The token with its claims.")] = False,
) -> None:
    """Print a JWT (HS256) that the API accepts as this recipient's."""
    from service.model.access import SCOPES

    if not 0 < len(recipient) <= _LONGEST_ID or not recipient.isprintable():
        raise typer.BadParameter("must be 1 to 128 printable characters", param_hint="RECIPIENT")
    scopes = [name for given in scope or ["inbox"] for name in given.replace(",", " ").split()]
    if unknown := [name for name in scopes if name not in SCOPES]:
        raise typer.BadParameter(f"{unknown[0]} is none; there are {', '.join(SCOPES)}", param_hint="--scope")
    lifetime = seconds(ttl)
    settings = load()
    key, now = _key(settings), int(time.time())
    claims: dict[str, Any] = {
        "sub": recipient,
        "aud": settings.auth.audience,
        "iat": now,
        "exp": now + int(lifetime),
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
    """The secret that the API verifies with. Raises Failure where tokens are another's business."""
    auth = settings.auth
    if auth.jwks_url and settings.mode != "dev":
        raise CliError(f"tokens come from the issuer whose keys are at {auth.jwks_url}", "ask it for one")
    if "HS256" not in auth.algorithms:
        raise CliError("HS256 is not among TOCSIN_AUTH__ALGORITHMS, so the API would not accept this token")
    secret = auth.secret.get_secret_value()
    if not secret and settings.mode != "dev":
        print_note(
            "TOCSIN_AUTH__SECRET is not set: this token is signed with the dev secret; only `tocsin dev` accepts it"
        )
    return secret or DEV_SECRET
