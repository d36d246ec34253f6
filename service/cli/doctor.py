"""`tocsin doctor`: check the settings and every dependency, and print a remedy for each problem."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from service.cli.checks import Finding, Status, fail
from service.cli.support.output import STYLES, json_line, print_text, print_wrapped
from service.cli.support.settings_view import SETTING_COLUMNS, setting_rows
from service.cli.support.table import listing
from service.settings import Settings, load

app = typer.Typer(add_completion=False)
_HANGING = " " * 25  # under the detail of a finding
Check = Callable[[Settings], Awaitable[Sequence[Finding]]]


@app.command()
def doctor(
    *,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print every setting and its value; secrets are hidden.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Check secrets, Kafka, topics, Redis, tables, relays, EHLO name, catalogue, brands, templates. Change nothing.

    Exit code 1 when a check fails.
    """
    settings = load()
    if show_settings:
        _print_settings(settings, as_json)
    findings = asyncio.run(_check_all(settings))
    for finding in findings:
        if as_json:
            json_line(asdict(finding))
            continue
        style = STYLES[finding.status]
        print_wrapped(f"{finding.status:<5} {finding.check:<18} {finding.detail}", style, hanging=_HANGING)
        if finding.remedy:
            print_wrapped(f"→ {finding.remedy}", indent=_HANGING, hanging=f"{_HANGING}  ")
    if any(finding.status is Status.fail for finding in findings):
        raise typer.Exit(1)


async def _check_all(settings: Settings) -> list[Finding]:
    """Run all checks concurrently and return their findings in the order of `checks`."""
    from service.cli.checks.files import check_files
    from service.cli.checks.kafka import check_kafka
    from service.cli.checks.redis import check_redis
    from service.cli.checks.secrets import check_secrets
    from service.cli.checks.smtp import check_local_name, check_reported_relays, check_smtp

    async def files(settings: Settings) -> Sequence[Finding]:
        return await asyncio.to_thread(check_files, settings)

    async def secrets(settings: Settings) -> Sequence[Finding]:
        return check_secrets(settings)

    checks: Mapping[str, Check] = {
        "settings": secrets,
        "kafka": check_kafka,
        "redis": check_redis,
        "smtp": check_smtp,
        "EHLO name": check_local_name,
        "relays": check_reported_relays,
        "files": files,
    }
    groups = await asyncio.gather(*(_guarded(name, check, settings) for name, check in checks.items()))
    return [finding for group in groups for finding in group]


async def _guarded(name: str, check: Check, settings: Settings) -> Sequence[Finding]:
    """Run a check; an exception becomes a finding, so that the findings of the other checks are still printed."""
    try:
        return await check(settings)
    except Exception as error:
        detail = f"the check failed unexpectedly: {type(error).__name__}: {error}"
        return [fail(name, detail, "run `tocsin --debug doctor`, and report the error")]


def _print_settings(settings: Settings, as_json: bool) -> None:
    listing(SETTING_COLUMNS, setting_rows(settings), as_json=as_json)
    if not as_json:
        print_text("")
