"""The package stands on its own: what it imports, and that Kafka can be left out."""

import re
from collections import defaultdict
from xml.etree import ElementTree

from tests.interop.java_client import CLIENT

SOURCES = CLIENT / "src" / "main" / "java" / "io" / "tocsin" / "client"
OPTIONAL = {"io.cloudevents.kafka", "org.apache.kafka"}
POM = {"": "http://maven.apache.org/POM/4.0.0"}


def users() -> dict[str, set[str]]:
    """Return the libraries beyond the platform that are imported, with the files that do."""
    users = defaultdict(set)
    for file in SOURCES.glob("*.java"):
        for name in re.findall(r"^import (?:static )?([\w.]+);", file.read_text(), re.MULTILINE):
            if not name.startswith(("java.", "io.tocsin.")):
                library = next((prefix for prefix in OPTIONAL if name.startswith(prefix)), name.split(".")[1])
                users[library].add(file.name)
    return users


def test_only_one_class_needs_kafka() -> None:
    """The official SDK and Jackson, which it brings, everywhere; what is optional in one class."""
    libraries = users()

    assert libraries.keys() == {"cloudevents", "fasterxml", *OPTIONAL}
    assert all(libraries[name] == {"KafkaPublisher.java"} for name in OPTIONAL)


def test_what_it_needs_of_kafka_is_optional() -> None:
    """A service that publishes over HTTP has two dependencies."""
    pom = ElementTree.parse(CLIENT / "pom.xml")
    needed = {
        dependency.findtext("artifactId", namespaces=POM)
        for dependency in pom.iterfind("dependencies/dependency", POM)
        if dependency.find("scope", POM) is None and dependency.find("optional", POM) is None
    }
    assert needed == {"cloudevents-http-basic", "cloudevents-json-jackson"}
