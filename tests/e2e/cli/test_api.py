"""`tocsin api` with settings that would leave the API open, or closed to everyone: it does not start."""

import subprocess
import sys

import pytest

from tests.support.environment import inherited_environment
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "TOCSIN_AUTH__JWKS_URL"),
        (
            {"TOCSIN_AUTH__JWKS_URL": "https://i.test", "TOCSIN_AUTH__ALGORITHMS": '["HS256"]'},
            "no caller can sign in",
        ),
        ({"TOCSIN_AUTH__SECRET": "short"}, "TOCSIN_AUTH__SECRET"),
        ({"TOCSIN_AUTH__JWKS_URL": "file:///etc/passwd"}, "TOCSIN_AUTH__JWKS_URL"),
        ({"TOCSIN_LIMITS__PASSWORDS": "fast"}, "TOCSIN_LIMITS__PASSWORDS"),
        ({"TOCSIN_HTTP__FORWARDED_ALLOW_IPS": "*"}, "TOCSIN_HTTP__FORWARDED_ALLOW_IPS"),
    ],
)
def test_settings_with_which_the_api_does_not_start(variables: dict[str, str], named: str) -> None:
    """It ends at once, before it needs Kafka or Redis, with one line that names the setting."""
    run = subprocess.run(
        [sys.executable, "-m", "service.cli", "api"],
        cwd=ROOT,
        env=inherited_environment() | variables,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 1
    assert named in run.stderr.decode()
    assert len(run.stderr.decode().splitlines()) == 1
