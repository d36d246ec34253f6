"""What the broker's jars are and where they come from, by way of `jgo`, Maven's resolver in Python."""

import zipfile
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL, default_jgo_cache
from jgo.maven import MavenContext
from jgo.parse import Coordinate


def jar_cache() -> Path:
    """The folder in jgo's cache that keeps the broker's jars, one folder a version."""
    cache: Path = default_jgo_cache()
    return cache / "tocsin-kafka"


def download(version: str, staging: Path) -> Path:
    """Fetch the broker and all it needs into `staging`; the folder in it that holds just the jars.

    RuntimeError if that version is not to be had, OSError if the network is not.
    """
    remotes = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    context = MavenContext(repo_cache=staging / "repository", local_repos=[], remote_repos=remotes)
    kafka = Coordinate("org.apache.kafka", "kafka_2.13", version=version, scope="compile")
    inputs, others = context.resolver.resolve([context.create_dependency(kafka)])
    needed = [*inputs, *(other for other in others if other.scope in ("compile", "runtime"))]
    artifacts = [dependency.artifact for dependency in needed]
    # Kafka's own archive adds the bridge from slf4j to log4j; without it the broker cannot say why it ends.
    log4j = next(artifact.version for artifact in artifacts if artifact.artifactId == "log4j-core")
    bridge = Coordinate("org.apache.logging.log4j", "log4j-slf4j-impl", version=log4j)
    artifacts.append(context.create_dependency(bridge).artifact)
    jars = staging / "jars"
    jars.mkdir(parents=True)
    for artifact in artifacts:
        source: Path = artifact.resolve()
        if not zipfile.is_zipfile(source):
            raise RuntimeError(f"{source.name} arrived damaged")
        source.rename(jars / source.name)
    return jars
