"""`tocsin doctor`: check the settings and every dependency, and print a remedy for each problem."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from service.cli.checks import NEXT_STEPS, Finding, Status, fail
from service.cli.support.output import STYLES, json_line, print_text, print_wrapped
from service.cli.support.settings_view import SETTING_COLUMNS, setting_rows
from service.cli.support.table import listing
from service.settings import Settings, load

app = typer.Typer(add_completion=False)
_HANGING = " " * 25  # under the detail of a finding
_ALSO_REPORTED = ("kafka", "redis", "tables", "topics")
Check = Callable[[Settings], Awaitable[Sequence[Finding]]]


@app.command()
def doctor(
    *,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print every setting and its value; secrets are hidden.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Check settings, Kafka, topics, Redis, tables, relays, files, and what the workers report. Change nothing.

    The checks are in the order in which an installation is set up. The last line is what to do first. Exit code 1 when
    a check fails.
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
    if not as_json and (first := _first_step(findings)):
        print_wrapped(f"next: {first.remedy} ({first.check})", "bold", hanging="  ")
    if any(finding.status is Status.fail for finding in findings):
        raise typer.Exit(1)


def _first_step(findings: Sequence[Finding]) -> Finding | None:
    """Return what to do first: what fails, then what an installation lacks, then what should be changed."""
    order: Sequence[Callable[[Finding], bool]] = (
        lambda one: one.status is Status.fail,
        lambda one: one.status is Status.warn and one.check in NEXT_STEPS,
        lambda one: one.status is Status.warn,
        lambda one: one.status is Status.hint and one.check in NEXT_STEPS,
    )
    return next((finding for applies in order for finding in findings if applies(finding)), None)


async def _check_all(settings: Settings) -> list[Finding]:
    """Run all checks concurrently and return their findings in the order of `checks`.

    Where the workers run in dev mode, as those of `tocsin dev`, the checks do too.
    """
    from service.cli.checks.files import check_files
    from service.cli.checks.kafka import check_kafka
    from service.cli.checks.redis import check_redis
    from service.cli.checks.secrets import check_secrets
    from service.cli.checks.smtp import check_local_name, check_smtp
    from service.cli.checks.workers import check_rows, check_running, observe

    seen = await observe(settings)
    if seen is not None and any(worker.mode == "dev" for worker in seen.reports):
        settings = settings.model_copy(update={"mode": "dev"})

    async def running(_: Settings) -> Sequence[Finding]:
        return check_running(seen)

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
        "files": files,
        "running": running,
        "rows": check_rows,
    }
    groups = await asyncio.gather(*(_guarded(name, check, settings) for name, check in checks.items()))
    return _without_repetition([finding for group in groups for finding in group])


def _without_repetition(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings without a failure of a check that the workers report too: they know since when."""
    newest = {(finding.check, finding.status): finding for finding in findings if finding.remedy}
    kept: list[Finding] = []
    for finding in findings:
        repeated = finding.check in _ALSO_REPORTED and finding.remedy
        one = newest[finding.check, finding.status] if repeated else finding
        if one not in kept:
            kept.append(one)
    return kept


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
