"""What several verbs need of the settings; each imports its part only when asked."""

from typing import TYPE_CHECKING

from service.cli.support.output import CliError
from service.settings import Settings, templates_directory

if TYPE_CHECKING:
    from service.model.catalogue import Catalogue
    from streams.kafka.connection import KafkaConnection


def catalogue_of(settings: Settings) -> "Catalogue":
    """The catalogue. Raises Failure with the line that says what is wrong with it."""
    from service.adapters.catalogue_file import CatalogueError, load_catalogue

    directory = settings.templates.directory or templates_directory()
    try:
        return load_catalogue(directory, settings.mandatory, settings.templates.locale)
    except CatalogueError as error:
        raise CliError(f"the catalogue cannot be used: {error}") from error


def kafka_of(settings: Settings) -> "KafkaConnection":
    """The way to Kafka. Raises Failure when a certificate file cannot be used."""
    from streams.kafka.connection import kafka_connection

    try:
        return kafka_connection(settings.kafka)
    except OSError as error:  # ssl.SSLError is one
        raise CliError(
            f"Kafka's certificate files cannot be used: {error}", "see TOCSIN_KAFKA__CA_FILE"
        ) from error


async def require_topic(connection: "KafkaConnection", topic: str) -> None:
    """Raises Failure where there is no such topic: a producer would wait for it. Raises Unavailable."""
    from streams.kafka.errors import partition_counts

    if topic not in await partition_counts(connection):
        raise CliError(f"there is no topic {topic}", "create it with `tocsin topics apply`")
