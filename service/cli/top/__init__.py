"""`tocsin top`: stages, relays, rates and the last failures, live in the terminal."""

import typer

from service.cli.support.output import CliError

app = typer.Typer(add_completion=False)


@app.command()
def top() -> None:
    """Watch stages, relays, rates and failures. Enter explains a failure, r sends it again, q ends."""
    import asyncio
    from importlib.util import find_spec

    if find_spec("textual") is None:
        raise CliError("`tocsin top` needs the extra `tui`", "pip install 'tocsin[tui]'")
    from service.cli.top.source import run_top

    asyncio.run(run_top())
