"""Objects that several commands build from the settings. Heavy imports are inside the functions."""

from difflib import get_close_matches
from typing import TYPE_CHECKING

from service.cli.support.output import CliError
from service.settings import Settings

if TYPE_CHECKING:
    from service.model.catalogue import Catalogue, NotificationType
    from streams.kafka.connection import KafkaConnection


def load_catalogue(settings: Settings) -> "Catalogue":
    """Return the catalogue of notification types. Raise CliError with the file and its problem."""
    from service.adapters.catalogue_file import CatalogueError, configured_catalogue

    try:
        return configured_catalogue(settings)
    except CatalogueError as error:
        raise CliError(f"the catalogue cannot be used: {error}") from error


def find_type(catalogue: "Catalogue", name: str, prefix: str = "") -> "NotificationType":
    """Return a notification type. Raise CliError, which begins with `prefix`, with the nearest names."""
    type_ = catalogue.get(name)
    if type_ is None:
        names = [one.name for one in catalogue]
        near = get_close_matches(name.rpartition(".")[2], names, n=3, cutoff=0.5)
        raise CliError(
            f"{prefix}there is no type {name}",
            f"did you mean {' or '.join(near)}?" if near else "`tocsin types list` lists the types",
        )
    return type_


def kafka_connection(settings: Settings) -> "KafkaConnection":
    """Return the connection settings of Kafka. Raise CliError when a certificate file cannot be used."""
    from streams.kafka import connection

    try:
        return connection.kafka_connection(settings.kafka)
    except OSError as error:  # ssl.SSLError is one
        raise CliError(
            f"Kafka's certificate files cannot be used: {error}", "check TOCSIN_KAFKA__CA_FILE"
        ) from error


async def require_topic(connection: "KafkaConnection", topic: str) -> None:
    """Raise CliError when the topic does not exist: a producer would wait for it. Raise Unavailable."""
    from streams.kafka.errors import partition_counts

    if topic not in await partition_counts(connection):
        raise CliError(f"there is no topic {topic}", "create it with `tocsin topics apply`")
