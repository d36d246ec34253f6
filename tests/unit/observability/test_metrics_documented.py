"""docs/reference/metrics.md has every metric with its labels."""

import re

from prometheus_client import Counter

from service.observability import metrics
from service.observability.metrics import CurrentVersion, FastCounter, FastHistogram, GaugeFamily
from tests.support.paths import ROOT

ROW = re.compile(r"^\| `(tocsin_\w+)` \| (?:none|((?:`\w+`(?:, )?)+)) \|", re.MULTILINE)


def declared() -> dict[str, tuple[str, ...]]:
    """Return the labels of each metric by its name."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, GaugeFamily):
            found[metric.name] = metric.labels
        elif isinstance(metric, CurrentVersion | FastCounter | FastHistogram):
            name, _, labels = metric._declared
            found[name] = tuple(labels)
        elif isinstance(metric, Counter):
            found[f"{metric._name}_total"] = tuple(metric._labelnames)
    return found


def test_each_is_documented_with_its_labels() -> None:
    """The table lists exactly the metrics that exist."""
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    table = text.partition("## Metrics")[2].partition("## Traces")[0]
    rows = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in ROW.findall(table)}

    assert rows == declared()
