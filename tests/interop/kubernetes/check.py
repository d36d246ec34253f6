"""Print what is wrong with objects, a JSON list on standard input: by Kubernetes' schemas, or the models of operators.

The arguments are versions of Kubernetes. An unknown field is a fault: an API server would drop it in silence.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import kubernetes_validate
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus

_OPERATORS = {
    "ScaledObject": keda.ScaledObject,
    "TriggerAuthentication": keda.TriggerAuthentication,
    "PodMonitor": prometheus.PodMonitor,
    "PrometheusRule": prometheus.PrometheusRule,
}


def faults(item: dict[str, Any], versions: Sequence[str]) -> Iterator[str]:
    """Yield the faults of an object."""
    model = _OPERATORS.get(item["kind"])
    try:
        if model is None:
            for version in versions:
                kubernetes_validate.validate(item, version, strict=True)
            return
        kept = model.model_validate(item).model_dump(by_alias=True, exclude_unset=True, mode="json")
        yield from (f"unknown or changed: {path}" for path in _lost(item, kept, ""))
    except Exception as error:
        yield str(getattr(error, "message", error))


def _lost(node: Any, kept: Any, path: str) -> Iterator[str]:
    """Yield the places where what was read is not what was written."""
    if isinstance(node, dict) and isinstance(kept, dict):
        for name, value in node.items():
            yield from _lost(value, kept.get(name), f"{path}.{name}")
    elif isinstance(node, list) and isinstance(kept, list) and len(node) == len(kept):
        for number, (one, other) in enumerate(zip(node, kept, strict=True)):
            yield from _lost(one, other, f"{path}[{number}]")
    elif node != kept:
        yield path


for thing in json.load(sys.stdin):
    for fault in faults(thing, sys.argv[1:]):
        sys.stdout.write(f"{thing['kind']} {thing['metadata']['name']}: {fault}\n")
