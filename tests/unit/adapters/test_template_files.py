"""The files of templates: own ones first, then the shipped ones, as they were at one moment."""

from pathlib import Path

import pytest

from service.adapters.template_files import TemplateFiles, file_stamps, template_directories
from service.settings import TemplateSettings, templates_directory


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with one text of a shipped type, a style, and a hidden copy that an editor has left."""
    _write(tmp_path / "overbid" / "fr.j2", "bonjour\r\n")
    _write(tmp_path / "layout" / "style.css", "own")
    _write(tmp_path / "overbid" / ".#en.j2", "half written")
    return tmp_path


def test_an_own_file_wins_and_all_others_are_shipped(own: Path) -> None:
    """File by file; the lines end with LF."""
    files = TemplateFiles.of(TemplateSettings(directory=own, shipped="merged"))

    assert files.templates()["overbid"] == ["de", "en", "fr"]
    assert files.text("overbid/fr.j2") == "bonjour\n"
    assert files.text("layout/style.css") == "own"
    assert files.text("overbid/en.j2") == (templates_directory() / "overbid" / "en.j2").read_text("utf-8")
    assert files.path("overbid/fr.j2") == own / "overbid" / "fr.j2"
    assert files.path("overbid/es.j2") == own / "overbid" / "es.j2"


def test_a_folder_that_replaces_the_shipped_one_has_its_digests_only(own: Path) -> None:
    """The shipped templates of digests complete it, as each group needs them; nothing else is shipped."""
    files = TemplateFiles.of(TemplateSettings(directory=own))

    assert files.templates() == {
        "digest/one": ["de", "en"],
        "digest/several": ["de", "en"],
        "overbid": ["fr"],
    }
    assert "layout/html.j2" not in files
    with pytest.raises(FileNotFoundError, match=r"layout/html\.j2 is missing"):
        files.text("layout/html.j2")


def test_files_that_change_later_change_nothing(own: Path) -> None:
    """All were read at once; the stamps say that there is something new, and so does the fingerprint of a new look."""
    settings = TemplateSettings(directory=own, shipped="merged")
    files, stamps = TemplateFiles.of(settings), file_stamps(template_directories(settings))
    assert file_stamps(template_directories(settings)) == stamps

    _write(own / "overbid" / "fr.j2", "salut")
    _write(own / "catalogue" / "shop.toml", "")

    assert files.text("overbid/fr.j2") == "bonjour\n"
    assert file_stamps(template_directories(settings)) != stamps
    assert TemplateFiles.of(settings).fingerprint() != files.fingerprint()


def test_a_swapped_link_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes changes a ConfigMap: all files at once, by the link `..data`."""
    for version in ("1", "2"):
        _write(tmp_path / f"..v{version}" / "overbid" / "en.j2", f"text {version}")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "overbid").symlink_to("..data/overbid")
    before, stamps = TemplateFiles(tmp_path), file_stamps([tmp_path])

    (tmp_path / "..new").symlink_to("..v2")
    (tmp_path / "..new").rename(tmp_path / "..data")

    assert before.text("overbid/en.j2") == "text 1"
    assert TemplateFiles(tmp_path).text("overbid/en.j2") == "text 2"
    assert file_stamps([tmp_path]) != stamps


def test_equal_files_have_equal_fingerprints(own: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever they are; what is added to them counts, too."""
    other = tmp_path_factory.mktemp("other")
    _write(other / "overbid" / "fr.j2", "bonjour\r\n")
    _write(other / "layout" / "style.css", "own")

    assert TemplateFiles(other).fingerprint() == TemplateFiles(own).fingerprint()
    assert TemplateFiles(other).fingerprint(b"x") != TemplateFiles(own).fingerprint()
