"""Metadata of topics with their ids (KIP-516), which aiokafka does not ask for: Metadata version 10, else version 5.

A topic that is deleted and made again has another id. Brokers before 2.8 have none, and it is empty here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

_ID = Schema(("high", Int64), ("low", Int64))
_TEXT = CompactString("utf-8")
_IDS = CompactArray(Int32)


class TopicDescription(NamedTuple):
    """A topic as the brokers know it: its id in hexadecimal, and the leader of each partition; -1 where it has none."""

    id: str
    leaders: Mapping[int, int]

    @property
    def partitions(self) -> int:
        """Return the number of partitions."""
        return len(self.leaders)


class _MetadataResponseV10(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields)
            ),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("topic_id", _ID),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", _IDS),
                        ("isr", _IDS),
                        ("offline_replicas", _IDS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestV10(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponseV10
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _ID), ("topic", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicRequest(Request[MetadataRequest_v5 | _MetadataRequestV10]):  # type: ignore[misc]
    """The request for topics by name, or for all; it creates none."""

    API_KEY = 3

    def __init__(self, topics: Sequence[str] | None) -> None:
        self._topics = topics

    def build(self, version: type[Any]) -> Any:
        """Return the request in the newest version that the broker has."""
        if version is _MetadataRequestV10:
            topics: list[Any] | None = (
                None if self._topics is None else [((0, 0), topic, {}) for topic in self._topics]
            )
            return version(topics, False, False, False, {})
        return version(None if self._topics is None else list(self._topics), False)


def topic_descriptions(response: Any) -> Mapping[str, TopicDescription]:
    """Return the topics of a response by name, without those that do not exist."""
    if response.API_VERSION < _MetadataResponseV10.API_VERSION:
        return {
            name: TopicDescription("", {one[1]: one[2] for one in partitions})
            for error, name, _, partitions in response.topics
            if not error
        }
    return {
        name: TopicDescription(_text(*id_), {one[1]: one[2] for one in partitions})
        for error, name, id_, _, partitions, *_ in response.topics
        if not error
    }


def _text(high: int, low: int) -> str:
    return f"{(high & (1 << 64) - 1) << 64 | low & (1 << 64) - 1:032x}"
