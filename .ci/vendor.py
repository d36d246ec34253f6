"""`make vendor`: write the files of others that the API serves, from the npm packages that the manifests name.

To update one: change its `version` and `integrity` in its manifest (`npm view PACKAGE@VERSION dist.integrity`), and
run this.
"""

import gzip
import json
import subprocess
import sys
import tarfile
import tempfile
from base64 import b64encode
from hashlib import sha256, sha512
from pathlib import Path

SERVICE = Path(__file__).parent.parent / "service"
FOLDERS = (SERVICE / "api" / "reference" / "vendored", SERVICE / "console" / "vendored")


def content_of(package: str, version: str, integrity: str, path: str) -> bytes:
    """Return a file of a package, downloaded by npm. Raise SystemExit where the package is not the one expected."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{package}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).iterdir()
        actual = "sha512-" + b64encode(sha512(archive.read_bytes()).digest()).decode()
        if actual != integrity:
            sys.exit(f"{package}@{version} has the integrity {actual}, and not that of the manifest")
        with tarfile.open(archive) as files:
            file = files.extractfile(f"package/{path}")
            assert file is not None
            return file.read()


def main() -> None:
    """Write each file of the manifests, compressed, and its hash."""
    for folder in FOLDERS:
        manifest = json.loads((folder / "manifest.json").read_text())
        for name, about in manifest.items():
            content = content_of(about["package"], about["version"], about["integrity"], about["path"])
            about["sha256"] = sha256(content).hexdigest()
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
