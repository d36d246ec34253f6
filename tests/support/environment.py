"""The environment of a process that a test starts."""

import os

from service.settings import DevSettings


def inherited_environment() -> dict[str, str]:
    """Return the variables of the test run without those of Tocsin."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}


def port_variables(dev: DevSettings) -> dict[str, str]:
    """Return the variables that name the ports of a stack of `tocsin dev`."""
    return {f"TOCSIN_DEV__{name.upper()}": str(port) for name, port in dev.model_dump().items()}
