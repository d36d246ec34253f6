"""`tocsin doctor`: check the settings and every dependency, and print a remedy for each problem."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import typer

from service.cli.checks import NEXT_STEPS, Finding, Status, fail
from service.cli.support.output import json_line, print_text, table
from service.settings import Settings, load

app = typer.Typer(add_completion=False)
_HIDDEN = "**********"
_STYLES = {Status.ok: "green", Status.hint: "cyan", Status.warn: "yellow", Status.fail: "red"}
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
        print_text(f"{finding.status:<5} {finding.check:<18} {finding.detail}", _STYLES[finding.status])
        if finding.remedy:
            print_text(f"      {'':<18} → {finding.remedy}")
    if not as_json and (first := _first_step(findings)):
        print_text(f"next: {first.remedy} ({first.check})", "bold")
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
    rows = list(_variables("TOCSIN", _without_secrets(settings)))
    if as_json:
        for name, value in rows:
            json_line({"setting": name, "value": value})
    else:
        table(("setting", "value"), rows)
        print_text("")


def _without_secrets(settings: Settings) -> dict[str, Any]:
    """Return the settings with secrets hidden; of the Redis URL only the password is hidden."""
    document = settings.model_dump(mode="json")
    url = urlsplit(settings.redis.url.get_secret_value())
    if url.password:
        user, _, host = url.netloc.rpartition("@")
        url = url._replace(netloc=f"{user.partition(':')[0]}:{_HIDDEN}@{host}")
    document["redis"]["url"] = urlunsplit(url)
    return document


def _variables(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each setting by the name of its environment variable."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _variables(f"{prefix}{'_' if prefix == 'TOCSIN' else '__'}{name.upper()}", inner)
    else:
        yield prefix, value
