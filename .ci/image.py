"""Assemble the image without a daemon: Debian with its Python, the locked dependencies and the wheel, as an OCI layout.

`make image` runs it as root, and then tests what it has made. The image has the user, the command and the labels of the
Dockerfile, and a list of its parts (CycloneDX 1.6) in /opt/tocsin/sbom.cdx.json. Usage: image.py FOLDER [URL]
with the URL of the sources, for the labels.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RELEASE, PYTHON = "trixie", "3.13"
PACKAGES = ("python3", "ca-certificates")
PLATFORMS = {"x86_64": ("amd64", "x86_64-manylinux_2_28"), "aarch64": ("arm64", "aarch64-manylinux_2_28")}
USER = 10001
LIBRARY = f"opt/tocsin/lib/python{PYTHON}"
NEEDLESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache", "var/lib/apt", "var/log")
START = f"""#!/usr/bin/python3
import sys
sys.path.insert(0, "/{LIBRARY}")
from service.cli import main
sys.exit(main())
"""


def main() -> None:
    """Write the image into a folder, which is emptied first."""
    target = Path(sys.argv[1]).resolve()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    architecture, platform = PLATFORMS[os.uname().machine]
    with tempfile.TemporaryDirectory() as scratch:
        system = Path(scratch, "system")
        install_system(system)
        (system / "etc" / "passwd").open("a").write(
            f"tocsin:x:{USER}:{USER}::/nonexistent:/usr/sbin/nologin\n"
        )
        (system / "etc" / "group").open("a").write(f"tocsin:x:{USER}:\n")
        product = Path(scratch, "product")
        install_product(product, platform, Path(scratch, "dist"))
        compile_in(system, product)
        parts = json.dumps(bill_of_materials(product / LIBRARY, system), indent=1).encode()
        (product / "opt/tocsin/sbom.cdx.json").write_bytes(parts)
        write_layout(target, [system, product], architecture)
    (target / "sbom.cdx.json").write_bytes(parts)
    print(f"{target}: {sum(file.stat().st_size for file in target.rglob('*') if file.is_file()) >> 20} MiB")


def run(*command: str | Path) -> str:
    """Run a command; return its output."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def install_system(folder: Path) -> None:
    """Install a Debian that has what its essential packages need, Python, and certificates of CAs; no pip, no apt."""
    mirror = run("apt-get", "indextargets", "--format", "$(REPO_URI)").split()[0]
    options = ("--variant=essential", f"--include={','.join(PACKAGES)}", "--quiet")
    run("mmdebstrap", *options, RELEASE, folder, mirror)
    for needless in NEEDLESS:
        shutil.rmtree(folder / needless, ignore_errors=True)
    for needed in ("proc", "sys", "dev", "tmp", "run/secrets", "templates"):
        (folder / needed).mkdir(parents=True, exist_ok=True)


def install_product(folder: Path, platform: str, wheels: Path) -> None:
    """Install the locked dependencies, by their hashes and as wheels, and the product's own wheel."""
    uv = (sys.executable, "-m", "uv")
    into = (
        "--quiet",
        "--python-version",
        PYTHON,
        "--python-platform",
        platform,
        "--target",
        folder / LIBRARY,
    )
    install = (*uv, "pip", "install", *into, "--only-binary", ":all:")
    run(*install, "--require-hashes", "--requirement", "requirements.lock")
    run(*uv, "build", "--quiet", "--wheel", "--out-dir", wheels)
    run(*install, "--no-deps", *wheels.glob("*.whl"))
    shutil.rmtree(
        folder / LIBRARY / "bin", ignore_errors=True
    )  # their first lines name a Python of this machine
    start = folder / "opt/tocsin/bin/tocsin"
    start.parent.mkdir()
    start.write_text(START)
    start.chmod(0o755)


def compile_in(system: Path, product: Path) -> None:
    """Compile the product by the image's own Python: its processes write nothing, and start faster."""
    shutil.move(product / "opt/tocsin", system / "opt/tocsin")
    by_content = ("--invalidation-mode", "unchecked-hash")  # the times of all files are set to the epoch
    run("chroot", system, "python3", "-m", "compileall", "-qq", *by_content, f"/{LIBRARY}")
    shutil.move(system / "opt/tocsin", product / "opt/tocsin")


def bill_of_materials(library: Path, system: Path) -> dict[str, Any]:
    """Return the parts of the image: what is installed, by what the packages say of themselves."""
    status = (system / "var/lib/dpkg/status").read_text()
    debian = [
        dict(re.findall(r"^(Package|Version): (.+)$", entry, re.MULTILINE)) for entry in status.split("\n\n")
    ]
    components = [
        {
            "type": "library",
            "name": entry["Package"],
            "version": entry["Version"],
            "purl": f"pkg:deb/debian/{entry['Package']}@{entry['Version']}",
        }
        for entry in debian
        if entry
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "tocsin", "version": version()}},
        "components": [*python_packages(library), *components],
    }


def python_packages(library: Path) -> Iterator[dict[str, Any]]:
    """Yield the Python packages with their licences, where they state one by its SPDX expression."""
    for file in sorted(library.glob("*.dist-info/METADATA")):
        about = HeaderParser().parsestr(file.read_text("utf-8"))
        name = re.sub(r"[-_.]+", "-", about["Name"]).lower()
        component = {"type": "library", "name": name, "version": about["Version"]}
        component["purl"] = f"pkg:pypi/{name}@{about['Version']}"
        if about["License-Expression"]:
            component["licenses"] = [{"expression": about["License-Expression"]}]
        yield component


def version() -> str:
    """Return the product's version."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def write_layout(target: Path, folders: Sequence[Path], architecture: str) -> None:
    """Write an OCI image layout with a layer for each folder, the same bytes for the same content."""
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layers, digests = [], []
    for folder in folders:
        plain, packed = hashlib.sha256(), blobs / "layer"
        with (
            packed.open("wb") as raw,
            gzip.GzipFile("", "wb", 1, raw, mtime=0) as file,
            tarfile.open(mode="w|", fileobj=Hashing(file, plain), format=tarfile.GNU_FORMAT) as archive,
        ):
            archive.add(folder, ".", filter=reproducible)
        digests.append(f"sha256:{plain.hexdigest()}")
        layers.append(add_blob(blobs, packed.read_bytes(), "application/vnd.oci.image.layer.v1.tar+gzip"))
        packed.unlink()
    labels = {
        "title": "Tocsin",
        "description": "Event-driven notification dispatch",
        "licenses": "Apache-2.0",
        "source": "".join(sys.argv[2:3]),
        "version": version(),
        "revision": run("git", "rev-parse", "HEAD").strip(),
    }
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": str(USER),
            "Env": [
                "PATH=/opt/tocsin/bin:/usr/sbin:/usr/bin",
                "PYTHONUNBUFFERED=1",
                "PYTHONDONTWRITEBYTECODE=1",
            ],
            "Entrypoint": ["tocsin"],
            "Cmd": ["doctor"],
            "Labels": {f"org.opencontainers.image.{name}": text for name, text in labels.items()},
        },
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add_json(blobs, config, "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    }
    described = add_json(blobs, manifest, manifest["mediaType"])
    described["annotations"] = {"org.opencontainers.image.ref.name": version()}
    described["platform"] = {"architecture": architecture, "os": "linux"}
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))


class Hashing:
    """A file that is written and hashed at the same time."""

    def __init__(self, file: gzip.GzipFile, digest: Any) -> None:
        self._file, self._digest = file, digest

    def write(self, data: bytes) -> int:
        """Write to the file."""
        self._digest.update(data)
        return self._file.write(data)


def reproducible(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Return an entry without what differs between two builds; None for a device."""
    member.mtime = 0
    member.uname = member.gname = ""
    return None if member.isdev() else member


def add_json(blobs: Path, content: Any, media_type: str) -> dict[str, Any]:
    """Add a JSON document; return its description."""
    return add_blob(blobs, json.dumps(content, sort_keys=True).encode(), media_type)


def add_blob(blobs: Path, content: bytes, media_type: str) -> dict[str, Any]:
    """Add a blob under its digest; return its description."""
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


if __name__ == "__main__":
    main()
