"""The OptunaHub packages in ``samplers/``: the registry's rules, and loading them from one."""

from __future__ import annotations

import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import optunahub
import pytest
import yaml

import optuna_llm


ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "llm_sampler": "LLMSampler",
    "llambo_sampler": "LLAMBOSampler",
    "cqr_sampler": "CQRSampler",
}
# Directs the registry's default address to one on this machine; nothing else is changed.
_FROM_LOCAL_REGISTRY = """
import functools, runpy, sys, optunahub
optunahub.load_module = functools.partial(optunahub.load_module, base_url=sys.argv[1])
for script in sys.argv[2:]:
    runpy.run_path(script, run_name="__main__")
"""


def _readme(package: str) -> tuple[dict[str, Any], str]:
    """Return the front matter and the text."""
    source = (ROOT / "samplers" / package / "README.md").read_text(encoding="utf-8")
    empty, matter, text = source.split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(matter), text


def test_every_package_is_tested() -> None:
    assert {p.parent.name for p in (ROOT / "samplers").glob("*/__init__.py")} == set(PACKAGES)


# ---- the registry's rules


@pytest.mark.parametrize("package", PACKAGES)
def test_the_front_matter_is_complete(package: str) -> None:
    matter, _ = _readme(package)
    required = {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert set(matter) == required
    assert all(matter.values())
    assert matter["license"] == "MIT License"
    assert isinstance(matter["tags"], list)
    assert "sampler" in matter["tags"]
    assert isinstance(matter["optuna_versions"], list)
    assert all(isinstance(version, str) for version in matter["optuna_versions"])
    assert matter["title"] != PACKAGES[package]  # A title for people, not the name of the class.
    assert matter["description"].count(". ") == 0
    assert matter["description"].endswith(".")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_text_has_the_sections_and_shows_the_package_as_users_load_it(package: str) -> None:
    _, text = _readme(package)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Abstract", "APIs", "Installation", "Example", "Others"]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"<[a-zA-Z/!]", prose)  # No HTML.
    example = (ROOT / "samplers" / package / "example.py").read_text(encoding="utf-8")
    for source in (text, example):
        assert f'optunahub.load_module("samplers/{package}")' in source


@pytest.mark.parametrize("package", PACKAGES)
def test_the_folder_holds_what_the_registry_wants_and_no_more(package: str) -> None:
    folder = ROOT / "samplers" / package
    files = {
        str(p.relative_to(folder))
        for p in folder.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    _, text = _readme(package)
    images = set(re.findall(r"!\[[^\]]+\]\((.*?)\)", text))
    assert images
    assert files == images | {
        "README.md",
        "LICENSE",
        "requirements.txt",
        "example.py",
        "__init__.py",
    }
    for image in images:
        data = (folder / image).read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) < 100_000
    assert (folder / "LICENSE").read_text().startswith("MIT License")
    assert (folder / "requirements.txt").read_text().startswith("optuna-llm>=")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_documented_arguments_exist(package: str) -> None:
    """Every ``name`` that begins an item of the section APIs is an argument of the sampler."""
    import inspect

    _, text = _readme(package)
    section = text.split("## APIs")[1].split("\n## ")[0]
    sampler = getattr(optuna_llm, PACKAGES[package])
    told = sampler.__doc__ + "".join(base.__doc__ or "" for base in sampler.__mro__)
    known = set(inspect.signature(sampler).parameters) | set(re.findall(r"(\w+):", told))
    lines = re.findall(r"^- (`.*?)(?::| are shared)", section, re.MULTILINE)
    names = [name for line in lines for name in re.findall(r"`(\w+)`", line)]
    assert len(names) >= 5
    assert [name for name in names if name not in known] == []


@pytest.mark.slow
def test_the_pictures_are_what_the_command_draws(tmp_path: Path) -> None:
    from samplers.pictures import main

    main(tmp_path)
    drawn = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")}
    kept = {str(p.relative_to(ROOT / "samplers")) for p in (ROOT / "samplers").rglob("*.png")}
    assert drawn == kept


# ---- loading


@pytest.mark.parametrize("package", PACKAGES)
def test_a_clone_of_this_repository_serves_the_package(package: str) -> None:
    module = optunahub.load_local_module(f"samplers/{package}", registry_root=str(ROOT))
    assert getattr(module, PACKAGES[package]) is getattr(optuna_llm, PACKAGES[package])
    assert PACKAGES[package] in module.__all__
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_without_optuna_llm_the_error_is_the_command_to_run(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_llm", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install optuna-llm$") as raised:
        optunahub.load_local_module(f"samplers/{package}", registry_root=str(ROOT))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository laid out as the real one; returns the folder that stands for GitHub."""
    host = tmp_path_factory.mktemp("host")
    repository = host / "optuna" / "optunahub-registry"
    for package in PACKAGES:
        folder = repository / "package" / "samplers" / package
        for source in (ROOT / "samplers" / package).rglob("*"):
            if source.is_file() and "__pycache__" not in source.parts:
                copy = folder / source.relative_to(ROOT / "samplers" / package)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(source.read_bytes())
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "All"],
    ):
        subprocess.run(["git", *command], cwd=repository, check=True, capture_output=True)
    return host


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_the_example_and_the_readme_run_from_a_registry(
    package: str, registry: Path, tmp_path: Path
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", _readme(package)[1], re.DOTALL)
    shown = tmp_path / "shown.py"
    shown.write_text(block, encoding="utf-8")
    keys = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    own = {"OPTUNAHUB_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    scripts = (shown, ROOT / "samplers" / package / "example.py")
    run = subprocess.run(
        [sys.executable, "-c", _FROM_LOCAL_REGISTRY, f"file://localhost{registry}", *scripts],
        cwd=tmp_path,
        env={**keys, **own, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
    assert list((tmp_path / "cache").rglob(f"samplers/{package}/__init__.py"))
