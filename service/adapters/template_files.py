"""The files of the catalogue and the templates: those of an operator first, then the shipped ones, all read at once.

| name | file |
|---|---|
| `catalogue/DOMAIN.toml` | notification types; all directories have theirs, see `catalogue_file` |
| `TYPE/LOCALE.j2` | the text of a type in a language |
| `digest/one/LOCALE.j2`, `digest/several/LOCALE.j2` | the text of digests; always completed by the shipped ones |
| `layout/…` | what is around each message |
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from service.settings import TemplateSettings, templates_directory

_PATTERNS = ("*/*.j2", "*/*.toml", "*/*.css", "digest/*/*.j2")
_DIGEST_PATTERN = "digest/*/*.j2"
_CATALOGUE = "catalogue"

FileStamps = Mapping[str, tuple[int, int, int]]
"""Inode, size and time of change (ns) of each file, by its path."""


class TemplateFault(Exception):
    """A template that cannot be used; the text is one line that names the file."""


def template_directories(settings: TemplateSettings) -> tuple[Path, ...]:
    """Return the directories of the templates, the one whose files win first."""
    if settings.directory is None:
        return (templates_directory(),)
    shipped = (templates_directory(),) if settings.shipped == "merged" else ()
    return (settings.directory, *shipped)


def file_stamps(directories: Sequence[Path], *further: Path) -> FileStamps:
    """Return what shows that a file has changed, of all files in these directories and of further ones.

    Links are followed, as those of a ConfigMap are, which Kubernetes swaps to change all files at once.
    """
    stamps: dict[str, tuple[int, int, int]] = {}
    for path in (*(path for directory in directories for _, path in _files(directory)), *further):
        try:
            stat = path.stat()
        except OSError:  # removed meanwhile, which is a change, too
            continue
        stamps[str(path)] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return stamps


def catalogue_paths(directory: Path) -> list[Path]:
    """Return the files of the catalogue in a directory."""
    return sorted((directory / _CATALOGUE).glob("*.toml"))


class TemplateFiles:
    """The content of all files, as it was when this was made: files that change later do not change it.

    `directories`: where they are looked for, the one whose files win first.
    """

    def __init__(self, *directories: Path) -> None:
        self.directories = directories
        self.catalogue: dict[Path, int] = {
            path: level
            for level, directory in enumerate(reversed(directories))
            for path in catalogue_paths(directory)
        }
        """The files of the catalogue with the level of their directory: higher ones override lower ones."""
        self._paths: dict[str, Path] = dict(_files(templates_directory(), _DIGEST_PATTERN))
        for directory in reversed(directories):
            self._paths |= {name: path for name, path in _files(directory) if path.parent.name != _CATALOGUE}
        self._contents = {path: _read(path) for path in (*self._paths.values(), *self.catalogue)}

    @classmethod
    def of(cls, settings: TemplateSettings) -> "TemplateFiles":
        """Return the files of these settings."""
        return cls(*template_directories(settings))

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def text(self, name: str) -> str:
        """Return the text of a file by its name, with LF line ends. Raise OSError, UnicodeDecodeError."""
        if name not in self._paths:
            raise FileNotFoundError(f"{name} is missing")
        return self.text_at(self._paths[name])

    def text_at(self, path: Path) -> str:
        """Return the text of one of the files by its path. Raise OSError, UnicodeDecodeError."""
        content = self._contents[path]
        if isinstance(content, OSError):
            raise content
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")

    def path(self, name: str) -> Path:
        """Return the path of a file by its name; of one that there is not, the place for it."""
        return self._paths.get(name, self.directories[0] / name)

    def templates(self) -> dict[str, list[str]]:
        """Return the locales of each type, and of each template of digests, sorted."""
        locales: dict[str, list[str]] = {}
        for name in sorted(self._paths):
            folder, _, file = name.rpartition("/")
            if file.endswith(".j2") and folder != "layout":
                locales.setdefault(folder, []).append(file.removesuffix(".j2"))
        return locales

    def fingerprint(self, *further: bytes) -> str:
        """Return 12 hexadecimal digits by which processes can be compared; `further` is added to the files."""
        digest = blake2b(digest_size=6)
        names = [(f"{number} {path.stem}", path) for number, path in enumerate(self.catalogue)]
        for name, path in (*names, *sorted(self._paths.items())):
            content = self._contents[path]
            for part in (name.encode(), b"" if isinstance(content, OSError) else content):
                digest.update(len(part).to_bytes(8, "big") + part)
        for part in further:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()


def _files(directory: Path, *patterns: str) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each file in a directory."""
    for pattern in patterns or _PATTERNS:
        for path in sorted(directory.glob(pattern)):
            name = path.relative_to(directory).as_posix()
            if "/." not in f"/{name}" and path.is_file():
                yield name, path


def _read(path: Path) -> bytes | OSError:
    try:
        return path.read_bytes()
    except OSError as error:
        return error
