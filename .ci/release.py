"""What a release needs.

- `check TAG` compares the tag, the versions in files and the changelog.
- `notes TAG` prints the changelog's section.
- `sbom` prints the bill of materials of the wheel with its locked dependencies (CycloneDX 1.6).
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def check(tag: str) -> str:
    """Return an empty text. Raise ValueError for a tag that a version or the changelog does not agree with."""
    notes(tag)
    for file, stated in _versions().items():
        if stated != tag.removeprefix("v"):
            raise ValueError(f"{file} has the version {stated}, the tag is {tag}")
    return ""


def notes(tag: str) -> str:
    """Return the changelog's section of a version. Raise ValueError where there is none, or where it has no date."""
    version = re.escape(tag.removeprefix("v"))
    section = re.search(
        rf"^## \[{version}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    if section is None or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has no section [{tag.removeprefix('v')}] with a date and a text")
    return section[1].strip() + "\n"


def sbom() -> str:
    """Return the bill of materials."""
    project = _project()
    product = {
        "type": "application",
        "bom-ref": f"pkg:pypi/{project['name']}@{project['version']}",
        "name": project["name"],
        "version": project["version"],
        "purl": f"pkg:pypi/{project['name']}@{project['version']}",
        "licenses": [{"license": {"id": project["license"]}}],
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product},
        "components": list(_locked()),
    }
    return json.dumps(document, indent=1) + "\n"


def _locked() -> Iterator[dict[str, Any]]:
    """Yield the components of requirements.lock. Two versions of one, for different systems, are two."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    for name, version, rest in re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)(.*)$", text, re.MULTILINE):
        hashes = re.findall(r"--hash=sha256:(\w+)", rest)
        yield {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": f"pkg:pypi/{name}@{version}",
                    "hashes": [{"alg": "SHA-256", "content": hash_} for hash_ in hashes],
                }
            ],
        }


def _versions() -> dict[str, str]:
    """Return the version by the file that states it."""
    chart = (ROOT / "ops/helm/tocsin/Chart.yaml").read_text()
    stated = dict(re.findall(r"^(version|appVersion): \"?([^\"\n]+)\"?$", chart, re.MULTILINE))
    npm = [f"clients/{client}/package.json" for client in ("inbox", "typescript")]
    python = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())
    java = re.search(r"<version>(.+)</version>", (ROOT / "clients/java/pom.xml").read_text())
    return {
        "pyproject.toml": _project()["version"],
        "ops/helm/tocsin/Chart.yaml: version": stated["version"],
        "ops/helm/tocsin/Chart.yaml: appVersion": stated["appVersion"],
        **{file: json.loads((ROOT / file).read_text())["version"] for file in npm},
        "clients/python/pyproject.toml": python["project"]["version"],
        "clients/java/pom.xml": java[1] if java else "",
    }


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


if __name__ == "__main__":
    try:
        sys.stdout.write({"check": check, "notes": notes, "sbom": sbom}[sys.argv[1]](*sys.argv[2:]))
    except ValueError as error:
        sys.exit(str(error))
