"""`make audit`: run pip-audit over the locked dependencies with each of its services; also report unknown packages."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

SERVICES = ("pypi", "osv")
TIMEOUT_S = 180.0
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"),
    *("--timeout", "5", "--format", "json"),
)

Packages = Sequence[dict[str, Any]] | None
"""The packages as a service knows them; None when the query failed."""


def summary(responses: Mapping[str, Packages]) -> tuple[int, str]:
    """Return the exit code and the text for the responses by service.

    A vulnerability that any service reports counts. A package is audited when one service knows it.
    """
    lines, vulnerabilities, informed = [], list[str](), dict[str, Packages]()
    for service, packages in responses.items():
        if packages is None:
            lines.append(f"{service}: no response")
            continue
        unknown = [p for p in packages if "skip_reason" in p]
        lines.append(f"{service}: knows {len(packages) - len(unknown)} of {len(packages)} packages")
        vulnerabilities += [
            f"{p['name']} {p['version']}: {v['id']} ({service})" for p in packages for v in p.get("vulns", ())
        ]
        if len(unknown) < len(packages):
            informed[service] = packages
    if vulnerabilities:
        return 1, "\n".join(["VULNERABLE:", *vulnerabilities, *lines])
    if not informed:
        return 0, "\n".join(["NOT AUDITED: no service knows any of the packages", *lines])
    unknown_names = [
        {p["name"] for p in packages or () if "skip_reason" in p} for packages in informed.values()
    ]
    if gap := set.intersection(*unknown_names):
        return 1, "\n".join([f"NOT AUDITED IN PART: no service knows {', '.join(sorted(gap))}", *lines])
    return 0, "\n".join(["audited: no known vulnerability", *lines])


def query(service: str, requirements: str) -> Packages:
    """Query a service once; on failure print the last line of pip-audit's error to stderr, and return None."""
    command = [*COMMAND, "--vulnerability-service", service, "--requirement", requirements]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        packages: Packages = json.loads(run.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{service}: no response within {TIMEOUT_S:.0f} s\n")
    except (ValueError, KeyError):
        lines = run.stderr.strip().splitlines()
        sys.stderr.write(f"{service}: {lines[-1][:500] if lines else 'pip-audit printed no error'}\n")
    else:
        return packages
    return None


def main(requirements: str) -> int:
    """Audit a file of locked requirements; return the exit code."""
    code, text = summary({service: query(service, requirements) for service in SERVICES})
    sys.stdout.write(f"{requirements}: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
