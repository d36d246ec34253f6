"""`make audit`: pip-audit over the locked dependencies, by all its services. Green means audited; gaps are said."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

SERVICES = ("pypi", "osv")
LONGEST_S = 180.0
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"),
    *("--timeout", "5", "--format", "json"),
)

Answer = Sequence[dict[str, Any]] | None
"""The packages as a service knows them; None: it could not be asked."""


def summarize(answers: Mapping[str, Answer]) -> tuple[int, str]:
    """Exit code and what to say. What any service finds counts; a package that one of them knows is audited."""
    said, found, knowing = [], list[str](), dict[str, Answer]()
    for service, packages in answers.items():
        if packages is None:
            said.append(f"{service}: could not be asked")
            continue
        unknown = [p for p in packages if "skip_reason" in p]
        said.append(f"{service}: knows {len(packages) - len(unknown)} of {len(packages)} packages")
        found += [
            f"{p['name']} {p['version']}: {v['id']} ({service})" for p in packages for v in p.get("vulns", ())
        ]
        if len(unknown) < len(packages):
            knowing[service] = packages
    if found:
        return 1, "\n".join(["VULNERABLE:", *found, *said])
    if not knowing:
        return 0, "\n".join(["NOT AUDITED: no service knows any of it from here", *said])
    names = [{p["name"] for p in packages or () if "skip_reason" in p} for packages in knowing.values()]
    if gap := set.intersection(*names):
        return 1, "\n".join([f"NOT AUDITED IN PART: no service knows {', '.join(sorted(gap))}", *said])
    return 0, "\n".join(["audited: no known vulnerability", *said])


def ask(service: str, requirements: str) -> Answer:
    """One try. What pip-audit says when it fails goes to stderr, its end at least."""
    command = [*COMMAND, "--vulnerability-service", service, "--requirement", requirements]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
        found: Answer = json.loads(run.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{service}: no answer within {LONGEST_S:.0f} s\n")
    except (ValueError, KeyError):
        lines = run.stderr.strip().splitlines()
        sys.stderr.write(f"{service}: {lines[-1][:500] if lines else 'pip-audit said nothing'}\n")
    else:
        return found
    return None


def main(requirements: str) -> int:
    """Audit a file of locked requirements."""
    code, said = summarize({service: ask(service, requirements) for service in SERVICES})
    sys.stdout.write(f"{requirements}: {said}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
