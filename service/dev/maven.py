"""The Maven artifacts of the Kafka broker, resolved by `jgo`."""

import zipfile
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL, default_jgo_cache
from jgo.maven import MavenContext
from jgo.parse import Coordinate


def jar_cache() -> Path:
    """Return the folder in jgo's cache that keeps the broker's jars, one folder for each version."""
    cache: Path = default_jgo_cache()
    return cache / "tocsin-kafka"


def download(version: str, staging: Path) -> Path:
    """Download the broker and its dependencies into `staging`; return the folder in it that holds only the jars.

    Raise RuntimeError when the repository does not have that version, OSError when the network is unreachable.
    """
    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    context = MavenContext(repo_cache=staging / "repository", local_repos=[], remote_repos=remotes)
    kafka = Coordinate("org.apache.kafka", "kafka_2.13", version=version, scope="compile")
    inputs, others = context.resolver.resolve([context.create_dependency(kafka)])
    needed = [*inputs, *(other for other in others if other.scope in ("compile", "runtime"))]
    artifacts = [dependency.artifact for dependency in needed]
    # Kafka's own archive adds the bridge from slf4j to log4j; without it the broker cannot log why it exits.
    log4j = next(artifact.version for artifact in artifacts if artifact.artifactId == "log4j-core")
    bridge = Coordinate("org.apache.logging.log4j", "log4j-slf4j-impl", version=log4j)
    artifacts.append(context.create_dependency(bridge).artifact)
    jars = staging / "jars"
    jars.mkdir(parents=True)
    for artifact in artifacts:
        source: Path = artifact.resolve()
        if not zipfile.is_zipfile(source):
            raise RuntimeError(f"the downloaded file {source.name} is damaged")
        source.rename(jars / source.name)
    return jars
