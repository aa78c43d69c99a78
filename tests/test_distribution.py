"""What would be uploaded for a release: its files, its metadata, and its page on PyPI."""

from __future__ import annotations

from email.message import Message
from email.parser import Parser
from pathlib import Path
import re
import subprocess
import sys
import tarfile
import zipfile

from packaging.requirements import Requirement
import pytest

import optuna_llm
from tests.support.distribution import ROOT
from tests.support.distribution import Distribution
from tests.support.distribution import build_distribution


pytest.importorskip("build")
pytest.importorskip("hatchling")

CORE = {"numpy", "openai", "optuna", "packaging", "scipy", "threadpoolctl", "tomli"}


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    return build_distribution(tmp_path_factory.mktemp("distribution"))


@pytest.fixture(scope="module")
def metadata(distribution: Distribution) -> Message:
    with zipfile.ZipFile(distribution.wheel) as wheel:
        (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(wheel.read(name).decode())


def package_files() -> set[str]:
    files = (f for f in (ROOT / "optuna_llm").rglob("*") if f.is_file() and f.suffix != ".pyc")
    return {f.relative_to(ROOT).as_posix() for f in files}


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(
    distribution: Distribution,
) -> None:
    with zipfile.ZipFile(distribution.wheel) as wheel:
        names = set(wheel.namelist())
    information = {name for name in names if ".dist-info/" in name}
    assert names - information == package_files()
    assert {"optuna_llm/py.typed", "optuna_llm/reporting/page.html"} <= names
    kinds = {Path(name).suffix for name in names - information} - {""}
    assert kinds <= {".py", ".typed", ".html", ".toml"}
    assert any(name.endswith("/licenses/LICENSE") for name in information)


def test_the_source_archive_holds_what_the_wheel_is_built_from(
    distribution: Distribution,
) -> None:
    with tarfile.open(distribution.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    beside = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml"}
    assert package_files() | beside <= names
    assert not any(name.startswith(("tests", "benchmarks", "docs")) for name in names)


def test_both_pass_the_check_before_an_upload(distribution: Distribution) -> None:
    pytest.importorskip("twine")
    files = [distribution.sdist, distribution.wheel]
    command = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_the_packages(metadata: Message) -> None:
    assert metadata["Version"] == optuna_llm.__version__
    assert f"\nversion: {optuna_llm.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_a_search_is_all_that_the_core_installs(metadata: Message) -> None:
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    core = {r.name for r in requirements if r.marker is None or "extra" not in str(r.marker)}
    assert core == CORE
    extras = set(metadata.get_all("Provides-Extra", []))
    page = (ROOT / "docs" / "installation.md").read_text()
    assert {extra for extra in extras if f"`{extra}`" in page} == extras


def test_release_notes_are_gathered_from_what_changes_said() -> None:
    pytest.importorskip("towncrier")
    fragments = [*(ROOT / "changes").glob("*.*.md")]
    assert fragments
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "## 9.9.9 (" in done.stdout
    for fragment in fragments:
        assert fragment.read_text().strip() in done.stdout, fragment.name


def test_the_page_on_pypi_links_to_files_that_exist(metadata: Message) -> None:
    page = str(metadata.get_payload())
    targets = re.findall(r'\]\(([^)]+)\)| src="([^"]+)"', page)
    links = [a or b for a, b in targets]
    assert len(links) > 10
    own = re.compile(
        r"https://(?:raw\.githubusercontent\.com/optuna-llm/optuna-llm/main"
        r"|github\.com/optuna-llm/optuna-llm/(?:blob|tree)/main)/([^#]+)"
    )
    for link in links:
        assert link.startswith(("https://", "#")), link
        if found := own.match(link):
            assert (ROOT / found[1]).exists(), link
