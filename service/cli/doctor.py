"""`tocsin doctor`: checks the settings and everything that Tocsin depends on, and says what to do."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import typer

from service.cli.checks import Finding, Status, fail
from service.cli.support.output import json_line, print_text, table
from service.settings import Settings, load

app = typer.Typer(add_completion=False)
_HIDDEN = "**********"
_STYLES = {Status.ok: "green", Status.warn: "yellow", Status.fail: "red"}
Check = Callable[[Settings], Awaitable[Sequence[Finding]]]


@app.command()
def doctor(
    *,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Every setting and its value, secrets hidden.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines.")] = False,
) -> None:
    """Check Kafka, topics, Redis, tables, relays, catalogue, templates and secrets. Changes and sends nothing.

    Exit code 1 when something does not work.
    """
    settings = load()
    if show_settings:
        _show(settings, as_json)
    found = asyncio.run(_examine(settings))
    for finding in found:
        if as_json:
            json_line(asdict(finding))
            continue
        print_text(f"{finding.status:<5} {finding.check:<18} {finding.detail}", _STYLES[finding.status])
        if finding.remedy:
            print_text(f"      {'':<18} → {finding.remedy}")
    if any(finding.status is Status.fail for finding in found):
        raise typer.Exit(1)


async def _examine(settings: Settings) -> list[Finding]:
    """All checks, side by side, in the order in which they are read."""
    from service.cli.checks.files import check_files
    from service.cli.checks.kafka import check_kafka
    from service.cli.checks.redis import check_redis
    from service.cli.checks.secrets import check_secrets
    from service.cli.checks.smtp import check_smtp

    async def files(given: Settings) -> Sequence[Finding]:
        return await asyncio.to_thread(check_files, given)

    async def secrets(given: Settings) -> Sequence[Finding]:
        return check_secrets(given)

    checks: Mapping[str, Check] = {
        "settings": secrets,
        "kafka": check_kafka,
        "redis": check_redis,
        "smtp": check_smtp,
        "files": files,
    }
    groups = await asyncio.gather(*(_guarded(name, check, settings) for name, check in checks.items()))
    return [finding for group in groups for finding in group]


async def _guarded(name: str, check: Check, settings: Settings) -> Sequence[Finding]:
    """A check that breaks is a finding too: the others are still told."""
    try:
        return await check(settings)
    except Exception as error:
        return [
            fail(name, f"the check broke: {type(error).__name__}: {error}", "run `tocsin --debug doctor`")
        ]


def _show(settings: Settings, as_json: bool) -> None:
    rows = list(_resolved("TOCSIN", _hidden(settings)))
    if as_json:
        for name, value in rows:
            json_line({"setting": name, "value": value})
    else:
        table(("setting", "value"), rows)
        print_text("")


def _hidden(settings: Settings) -> dict[str, Any]:
    """The settings without secrets; of the Redis URL, only its password is one."""
    told = settings.model_dump(mode="json")
    url = urlsplit(settings.redis.url.get_secret_value())
    if url.password:
        user, _, host = url.netloc.rpartition("@")
        url = url._replace(netloc=f"{user.partition(':')[0]}:{_HIDDEN}@{host}")
    told["redis"]["url"] = urlunsplit(url)
    return told


def _resolved(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each setting by the name of its environment variable."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _resolved(f"{prefix}{'_' if prefix == 'TOCSIN' else '__'}{name.upper()}", inner)
    else:
        yield prefix, value
