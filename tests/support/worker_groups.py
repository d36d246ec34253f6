"""The consumer groups of workers, by the stage table."""

from types import SimpleNamespace
from unittest.mock import Mock

from service.model.topics import TopicNames
from service.settings import KafkaSettings, WorkerSettings
from streams.worker.stage_table import STAGES, specs


def worker_groups(kafka: KafkaSettings) -> dict[str, set[str]]:
    """Return the topics that each consumer group reads."""
    worker = WorkerSettings(stages=STAGES)
    parts = Mock(settings=SimpleNamespace(kafka=kafka, worker=worker), topics=TopicNames(kafka.prefix))
    return {kafka.prefix + spec.name: set(spec.topics) for spec in specs(Mock(parts=parts))}
