"""The Helm chart, rendered. `python -m tests.support.chart` writes the plain manifests of ops/kubernetes from it.

Rendering needs the program `helm`; what is committed in ops/kubernetes can be read without it.
"""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.support.paths import ROOT

CHART = ROOT / "ops" / "helm" / "tocsin"
MANIFESTS = ROOT / "ops" / "kubernetes"
VALUE_SETS = sorted(CHART.glob("ci/*.yaml"))
HELM = shutil.which("helm")
KUBERNETES = "1.34"
"""The version that is rendered for; the chart allows 1.27 and newer."""
Manifest = dict[str, Any]
_HELMS_OWN = ("helm.sh/", "app.kubernetes.io/managed-by")
_HEADER = (
    "# Written from ops/helm/tocsin with the values of ci/minimal.yaml: `make manifests`. Edit a copy.\n"
)


@cache
def rendered(values: Path, namespace: str = "tocsin") -> Sequence[Manifest]:
    """Return the objects that the chart makes of a file of values, hooks too. Raise ValueError with helm's words."""
    ran = render(values, "--namespace", namespace)
    if ran.returncode:
        raise ValueError(ran.stderr)
    return [one for one in yaml.safe_load_all(ran.stdout) if one]


def render(values: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `helm template` with a file of values."""
    return helm(
        "template", "tocsin", str(CHART), "--kube-version", KUBERNETES, "--values", str(values), *options
    )


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm."""
    assert HELM is not None
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


def committed() -> Sequence[Manifest]:
    """Return the objects of ops/kubernetes."""
    return [one for file in sorted(MANIFESTS.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]


def plain_manifests() -> Mapping[str, str]:
    """Return the files of ops/kubernetes, as they are to be: one a component, numbered in the order of applying."""
    files: dict[str, list[Manifest]] = {}
    for one in rendered(CHART / "ci" / "minimal.yaml"):
        files.setdefault(_file_of(one), []).append(_without_helm(one))
    return {
        name: _HEADER + yaml.safe_dump_all(objects, sort_keys=False, width=120)
        for name, objects in sorted(files.items())
    }


def _file_of(one: Manifest) -> str:
    kind, component = one["kind"], one["metadata"]["labels"].get("app.kubernetes.io/component", "")
    if kind == "Job":
        return "20-topics.yaml"
    return f"30-{component}.yaml" if component else "10-common.yaml"


def _without_helm(node: Any) -> Any:
    """Return an object without the labels and annotations that say that Helm manages it."""
    if isinstance(node, list):
        return [_without_helm(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_helm(value) for key, value in node.items() if not key.startswith(_HELMS_OWN)}
    if kept.get("annotations") == {}:
        del kept["annotations"]
    return kept


def pods(objects: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the template of each pod with the name of its Deployment or Job."""
    for one in objects:
        if one["kind"] in ("Deployment", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"]


def main() -> None:
    """Write ops/kubernetes."""
    MANIFESTS.mkdir(exist_ok=True)
    for old in MANIFESTS.glob("*.yaml"):
        old.unlink()
    for name, text in plain_manifests().items():
        (MANIFESTS / name).write_text(text)


if __name__ == "__main__":
    main()
