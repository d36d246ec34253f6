"""The stages of a worker, from its settings."""

from service.bootstrap.parts import bootstrap
from service.bootstrap.reload import CurrentParts
from service.settings import Settings, WorkerSettings
from streams.worker.stage_table import specs


def test_each_lane_of_email_is_a_consumer_of_its_own() -> None:
    """A burst in one lane fills its own window only: its own group and topic, its own limit in flight (ADR 9)."""
    parts = bootstrap(Settings(mode="dev", worker=WorkerSettings(stages=("email",))))
    email = {spec.name: (list(spec.topics), spec.limits.max_in_flight) for spec in specs(CurrentParts(parts))}

    assert email == {
        "email.high": (["dispatch.email.high"], 4000),
        "email.normal": (["dispatch.email.normal"], 2000),
        "email.bulk": (["dispatch.email.bulk"], 500),
    }
