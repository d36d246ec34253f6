"""The way back to brokers that have moved: where none of those that are known answers, the bootstrap servers are asked.

aiokafka asks them once, when a client starts. Brokers that come back at other addresses, or under other ids, would stay
unknown to it for ever (KIP-899).
"""

from collections.abc import Iterable
from typing import Any

import structlog
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.cluster import ClusterMetadata

log = structlog.get_logger(__name__)

_ask_known_brokers = AIOKafkaClient._metadata_update


async def update_metadata(
    client: AIOKafkaClient, metadata: ClusterMetadata, topics: Iterable[str] | None
) -> bool:
    """Fill in what a broker says of the cluster; return whether one has answered. In place of aiokafka's method."""
    if await _ask_known_brokers(client, metadata, topics):
        return True
    cluster: Any = client.cluster
    known = cluster._brokers
    if not known:
        return False
    servers = ClusterMetadata(bootstrap_servers=client._bootstrap_servers)._bootstrap_brokers
    cluster._bootstrap_brokers, cluster._brokers = servers, {}  # which aiokafka asks where it knows no others
    try:
        answered: bool = await _ask_known_brokers(client, metadata, topics)
    finally:
        cluster._brokers = cluster._brokers or known
        cluster._bootstrap_brokers = {}
        for server in servers:
            if connection := client._conns.pop((server, ConnectionGroup.DEFAULT), None):
                connection.close()
    if answered and cluster._brokers != known:
        log.info("brokers_moved", brokers=sorted(f"{one.host}:{one.port}" for one in cluster.brokers()))
    return answered
