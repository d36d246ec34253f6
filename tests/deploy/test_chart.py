"""The Helm chart and the plain manifests: stages, groups, topics, ports and settings are those of the code."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from pydantic import SecretStr

from service.settings import KafkaSettings, Settings, load
from streams.worker.stage_table import STAGES
from tests.interop.tools import built_environment
from tests.support.chart import (
    CHART,
    HELM,
    KUBERNETES,
    MANIFESTS,
    VALUE_SETS,
    Manifest,
    committed,
    helm,
    plain_manifests,
    pods,
    render,
    rendered,
)
from tests.support.paths import ROOT
from tests.support.worker_groups import worker_groups
from tests.unit.test_settings import SETTINGS, variable

_without_helm = pytest.mark.skipif(HELM is None, reason="helm is not installed (Go builds it: see .ci/run)")
with_each_set = pytest.mark.parametrize("values", VALUE_SETS, ids=lambda path: path.stem)
KNOWN = {variable(place) for place in SETTINGS} | {"TOCSIN_SECRETS_DIR"}
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}

LISTENING = {
    "worker": {"metrics": "WORKER__METRICS_", "smtp": "BOUNCES__"},
    "api": {"http": "HTTP__", "metrics": "HTTP__METRICS_"},
}
"""The beginning of the settings of each port, by command."""


def needs_helm(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that runs helm: `make deployment` has them."""
    return pytest.mark.deployment(_without_helm(test))


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container.get("env", ())}


def check_pods(objects: Sequence[Manifest]) -> None:
    """Raise AssertionError for a pod that is not confined, sets no known setting, or whose ports do not fit."""
    for name, template in pods(objects):
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            assert container["securityContext"] == CONFINED, name
            assert container["resources"]["limits"]["memory"], name
            assert not re.search(r":latest$|:$", container["image"]), name
        (container,) = pod["containers"]
        assert environment(container).keys() <= KNOWN, name
        check_ports(name, container)
        drain = float(environment(container).get("TOCSIN_WORKER__DRAIN", SETTINGS["worker", "drain"]))
        if container["args"][0] == "worker":
            assert pod["terminationGracePeriodSeconds"] == drain + 30, name


def check_ports(name: str, container: Mapping[str, Any]) -> None:
    """Raise AssertionError where a process does not listen on the port that is declared, or a probe asks another."""
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
    env = environment(container)
    listening = LISTENING.get(container["args"][0], {})
    for port, number in ports.items():
        assert env[f"TOCSIN_{listening[port]}PORT"] == str(number), f"{name}: {port}"
        assert env[f"TOCSIN_{listening[port]}HOST"] == "0.0.0.0", f"{name}: {port}"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if listening:
            assert container[probe]["httpGet"]["port"] in ports, f"{name}: {probe}"
            assert container[probe]["httpGet"]["path"] in ("/livez", "/readyz")


def stages_run(objects: Sequence[Manifest]) -> list[str]:
    """Return the stages of all workers, each as often as there is a Deployment for it."""
    all_args = [template["spec"]["containers"][0]["args"] for _, template in pods(objects)]
    return [stage for args in all_args if args[0] == "worker" for stage in args[2].split(",")]


@needs_helm
@with_each_set
def test_the_chart_is_accepted_by_helm(values: Path) -> None:
    """Helm finds no fault, and the values fit the schema."""
    ran = helm("lint", "--strict", "--kube-version", KUBERNETES, str(CHART), "--values", str(values))
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_helm
async def test_every_object_fits_the_schemas_of_kubernetes_and_the_operators() -> None:
    """The strict schemas of the oldest and the newest version know every field; so do KEDA's and Prometheus' models."""
    folder = await built_environment("kubernetes")
    objects = [one for values in VALUE_SETS for one in rendered(values)]
    ran = subprocess.run(
        [folder / "venv" / "bin" / "python", "check.py", "1.27", "1.37"],
        cwd=folder,
        input=json.dumps(objects),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


@needs_helm
@with_each_set
def test_every_rendered_pod_is_confined_and_named_by_the_code(values: Path) -> None:
    """Settings exist, processes listen where probes ask, the grace period is the drain and 30 s, nothing is root."""
    check_pods(rendered(values))


def test_every_committed_pod_is_confined_and_named_by_the_code() -> None:
    """The same of the plain manifests, also where there is no helm; they have every stage but bounces."""
    check_pods(committed())
    assert sorted(stages_run(committed())) == sorted({*STAGES} - {"bounces"})


@needs_helm
def test_the_plain_manifests_are_rendered_from_the_chart() -> None:
    """ops/kubernetes is made from the chart: `make manifests`."""
    assert {file.name: file.read_text() for file in MANIFESTS.glob("*.yaml")} == plain_manifests()


@needs_helm
@with_each_set
def test_no_stage_is_forgotten(values: Path) -> None:
    """Each stage is run by one Deployment; bounces and rates may be left out."""
    run = stages_run(rendered(values))
    assert len(run) == len(set(run))
    assert {*STAGES} - {*run} <= {"bounces", "rates"}


def test_the_values_name_every_stage() -> None:
    """Without changes, each stage is in one worker; the schema knows the same stages and groups."""
    assert sorted(stage for one in VALUES["workers"].values() for stage in one["stages"]) == sorted(STAGES)
    worker, scaling = SCHEMA["definitions"]["worker"], SCHEMA["definitions"]["scaling"]
    assert set(worker["properties"]["stages"]["items"]["enum"]) == set(STAGES)
    groups = worker_groups(KafkaSettings())
    assert set(scaling["properties"]["lag"]["propertyNames"]["enum"]) == groups.keys()
    assert {
        group for one in VALUES["workers"].values() for group in one["scaling"].get("lag", ())
    } == groups.keys()


@needs_helm
def test_workers_are_scaled_by_the_lag_of_their_groups() -> None:
    """Each group of a worker, with the prefix and each of its topics, is a trigger; `tables` has all that it reads."""
    objects = rendered(CHART / "ci" / "production.yaml")
    kafka = KafkaSettings(prefix="notify.", events=("shop.events", "billing.events"))
    groups = worker_groups(kafka)
    scaled = [one for one in objects if one["kind"] == "ScaledObject"]
    triggers = [
        trigger for one in scaled for trigger in one["spec"]["triggers"] if trigger["type"] == "kafka"
    ]
    lag = {(t["metadata"]["consumerGroup"], t["metadata"].get("topic")) for t in triggers}

    wanted = {
        (group, topic) for group, topics in groups.items() for topic in topics if group != "notify.tables"
    }
    assert lag == wanted | {("notify.tables", None)}
    assert all(t["metadata"]["sasl"] == "scram_sha512" for t in triggers)
    assert all(t["metadata"]["tls"] == "enable" and t["authenticationRef"] for t in triggers)
    deployments = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Deployment"}
    for one in scaled:
        target = deployments[one["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]  # the next upgrade would undo what KEDA has done
        assert one["spec"]["minReplicaCount"] >= 1


@needs_helm
def test_schedule_is_scaled_by_the_due_set() -> None:
    """Its trigger asks Prometheus for a metric that exists, of this namespace."""
    (scaled,) = [
        one
        for one in rendered(CHART / "ci" / "production.yaml")
        if one["kind"] == "ScaledObject" and one["metadata"]["name"].endswith("-schedule")
    ]
    (trigger,) = scaled["spec"]["triggers"]
    (metric,) = re.findall(r"tocsin_\w+", trigger["metadata"]["query"])
    assert f"`{metric}`" in (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert 'namespace="tocsin"' in trigger["metadata"]["query"]


@needs_helm
@with_each_set
def test_selectors_choose_the_pods_of_the_release(values: Path) -> None:
    """Services, budgets, policies and monitors select at least one pod; references to objects resolve."""
    objects = rendered(values)
    labels = {name: template["metadata"]["labels"] for name, template in pods(objects)}
    for one in objects:
        spec = one.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector") or {}
        wanted = selector.get("matchLabels", selector)
        if one["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor", "Deployment"):
            chosen = [name for name, own in labels.items() if wanted.items() <= own.items()]
            assert chosen, f"{one['kind']} {one['metadata']['name']}"
        if one["kind"] == "Deployment":
            assert chosen == [one["metadata"]["name"]]
        if target := spec.get("scaleTargetRef"):
            assert target["name"] in labels


@needs_helm
def test_alerts_and_dashboard_are_those_of_the_repository() -> None:
    """The chart has no copy: its files are links, and what it renders is what Prometheus and Grafana read elsewhere."""
    objects = {one["kind"]: one for one in rendered(CHART / "ci" / "production.yaml")}
    alerts, dashboard = ROOT / "ops/prometheus/alerts.yml", ROOT / "ops/grafana/tocsin.json"
    assert (CHART / "files/alerts.yml").resolve() == alerts
    assert (CHART / "files/dashboard.json").resolve() == dashboard
    assert objects["PrometheusRule"]["spec"] == yaml.safe_load(alerts.read_text())
    assert json.loads(objects["ConfigMap"]["data"]["tocsin.json"]) == json.loads(dashboard.read_text())


@needs_helm
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("settings.TOCSIN_AUTH__SECRET=x", "TOCSIN_AUTH__SECRET"),
        ("settings.KAFKA_BOOTSTRAP=x", "KAFKA_BOOTSTRAP"),
        ("settings.TOCSIN_HTTP__PORT=9", "TOCSIN_HTTP__PORT"),
        ("settings.TOCSIN_REDIS__URL=redis://u:p@redis:6379/0", "TOCSIN_REDIS__URL"),
        ("settings.TOCSIN_KAFKA__BOOTSTRAP=null", "TOCSIN_KAFKA__BOOTSTRAP"),
        ("secrets.existing=", "secrets"),
        ("workers.email.stages={mail}", "stages"),
        ("workers.email.scaling.min=0", "min"),
        ("replicaCount=2", "replicaCount"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(change: str, named: str) -> None:
    """Secrets outside of the Secret, listening addresses, unknown names, stages and values."""
    ran = render(CHART / "ci" / "minimal.yaml", "--set", change)
    assert ran.returncode != 0
    assert named in ran.stderr


def test_every_secret_is_kept_out_of_the_settings() -> None:
    """The schema refuses each secret as a setting; a URL of Redis without a password is none."""
    refused = re.compile(SCHEMA["definitions"]["settings"]["propertyNames"]["not"]["anyOf"][0]["pattern"])
    secrets = {variable(place) for place in SETTINGS if _is_secret(place)} - {"TOCSIN_REDIS__URL"}
    assert len(secrets) >= 9
    assert not {name for name in secrets if not refused.search(name)}
    assert not {name for name in KNOWN - secrets if refused.search(name)}


def _is_secret(place: tuple[str, ...]) -> bool:
    annotation: Any = Settings
    for name in place:
        annotation = annotation.model_fields[name].annotation
    return SecretStr.__name__ in repr(annotation)


def test_a_mounted_secret_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes mounts a Secret as links to links, so that it can change all files at once."""
    current = tmp_path / "..2026_11_01"
    current.mkdir()
    (tmp_path / "..data").symlink_to(current.name)
    for name, text in (("TOCSIN_AUTH__SECRET", "s" * 32), ("TOCSIN_MAIL__SECRETS", '["0123456789abcdef"]')):
        (current / name).write_text(text + "\n")
        (tmp_path / name).symlink_to(f"..data/{name}")
    monkeypatch.setenv("TOCSIN_SECRETS_DIR", str(tmp_path))
    settings = load()

    assert settings.auth.secret.get_secret_value() == "s" * 32
    assert settings.mail_secrets == ("0123456789abcdef",)


def test_every_value_is_described() -> None:
    """The schema describes each value of values.yaml, allows no other, and each default fits its type."""

    def undescribed(node: Any, schema: Mapping[str, Any], path: str) -> list[str]:
        missing = [] if "description" in schema or not path else [path]
        if isinstance(node, dict) and (known := schema.get("properties")):
            assert schema.get("additionalProperties") is not None, path
            return missing + [
                fault
                for name, value in node.items()
                for fault in undescribed(value, known.get(name, {}), f"{path}.{name}")
            ]
        return missing

    assert undescribed(VALUES, SCHEMA, "") == []
    assert SCHEMA["additionalProperties"] is False
    assert set(VALUES) == set(SCHEMA["properties"]) - {"global"}


def test_the_versions_are_those_of_the_package() -> None:
    """A release changes all of them."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert chart["version"] == chart["appVersion"] == version
