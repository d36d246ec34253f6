"""The addresses in the package's metadata: where the repository is, which only the one who builds a release knows."""

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PLACES = {
    "Homepage": "",
    "Documentation": "/blob/v{version}/docs/index.md",
    "Changelog": "/blob/v{version}/CHANGELOG.md",
    "Source": "/tree/v{version}",
    "Issues": "/issues",
    "Security": "/security/policy",
}


class RepositoryUrls(MetadataHookInterface):
    """Add the project's addresses below TOCSIN_REPOSITORY_URL, which the release workflow sets."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `urls`. A build without the variable has those of the reserved name tocsin.test."""
        base = os.environ.get("TOCSIN_REPOSITORY_URL", "https://tocsin.test/repository").rstrip("/")
        metadata["urls"] = {
            name: base + place.format(version=metadata["version"]) for name, place in _PLACES.items()
        }
