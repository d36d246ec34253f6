"""`make audit`: pip-audit over the locked dependencies. Green means audited; what could not be asked is said."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"),
    *("--timeout", "15", "--format", "json", "--requirement"),
)


def verdict(dependencies: Sequence[dict[str, Any]] | None) -> tuple[int, str]:
    """Exit code and what to say. None: the vulnerability service could not be asked at all."""
    if dependencies is None:
        return 0, "NOT AUDITED: the vulnerability service cannot be reached from here"
    found = [f"{d['name']} {d['version']}: {v['id']}" for d in dependencies for v in d.get("vulns", ())]
    unknown = [d["name"] for d in dependencies if "skip_reason" in d]
    if found:
        return 1, "\n".join(["VULNERABLE:", *found])
    if len(unknown) == len(dependencies):
        return 0, f"NOT AUDITED: the vulnerability service knows none of the {len(unknown)} packages"
    if unknown:
        return 1, f"NOT AUDITED IN PART: the service does not know {', '.join(unknown)}"
    return 0, f"audited: {len(dependencies)} packages, no known vulnerability"


def main(requirements: str) -> int:
    """Audit a file of locked requirements."""
    run = subprocess.run([*COMMAND, requirements], capture_output=True, text=True, check=False)
    try:
        dependencies = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        sys.stderr.write(run.stderr[-2000:])
        dependencies = None
    code, said = verdict(dependencies)
    sys.stdout.write(f"{requirements}: {said}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
