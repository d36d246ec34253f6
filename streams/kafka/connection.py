"""Addresses and credentials of Kafka: the arguments that every client shares."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Addresses and credentials. `security` are aiokafka's arguments (security_protocol, ssl_context, sasl_…)."""

    bootstrap: str
    security: Mapping[str, Any] = field(default_factory=dict)
    client_id: str = "tocsin"

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for an aiokafka consumer, producer or admin client."""
        return {"bootstrap_servers": self.bootstrap, "client_id": self.client_id, **self.security}


def kafka_connection(kafka: KafkaSettings) -> KafkaConnection:
    """Return the connection of the settings. Raise OSError or ssl.SSLError when a certificate file cannot be used."""
    security: dict[str, Any] = {"security_protocol": kafka.security}
    if kafka.security.endswith("SSL"):
        context = ssl.create_default_context(cafile=str(kafka.ca_file) if kafka.ca_file else None)
        if kafka.cert_file is not None:
            context.load_cert_chain(kafka.cert_file, kafka.key_file)
        security["ssl_context"] = context
    if kafka.security.startswith("SASL"):
        security["sasl_mechanism"] = kafka.sasl_mechanism
        security["sasl_plain_username"] = kafka.username
        security["sasl_plain_password"] = kafka.password.get_secret_value()
    return KafkaConnection(kafka.bootstrap, security)
