"""The notebooks run from the top without a key, and what is stored of them is what a run shows."""

from __future__ import annotations

import base64
from pathlib import Path
import re
import struct

import nbformat
import pytest

from notebooks.execute import NOTEBOOKS
from notebooks.execute import execute


_MAX_BYTES = 300 * 1024
_MIN_PICTURE = (250, 150)


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _kinds(cell: nbformat.NotebookNode) -> set[str]:
    """Return which kinds of output a cell has."""
    named = {kind for output in cell.outputs for kind in output.get("data", {})}
    return named | {output.name for output in cell.outputs if output.output_type == "stream"}


def _pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    return [
        base64.b64decode(output.data["image/png"])
        for cell in _code(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


@pytest.mark.slow
@pytest.mark.xdist_group("notebooks")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_run_shows_what_is_stored(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    stored = nbformat.read(path, as_version=4)
    run = execute(path, tmp_path)
    assert [_kinds(cell) for cell in _code(run)] == [_kinds(cell) for cell in _code(stored)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stored_whole_and_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < _MAX_BYTES
    cells = _code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert "stderr" not in set().union(*map(_kinds, cells))
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    pictures = _pictures(notebook)
    assert pictures
    for picture in pictures:
        width, height = struct.unpack(">II", picture[16:24])
        assert (width, height) > _MIN_PICTURE
    # Nothing of the machine that it ran on.
    assert re.findall(r"/(?:home|root|tmp|work|Users)/\w+", path.read_text()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_links_lead_somewhere(path: Path) -> None:
    text = "".join(cell.source for cell in nbformat.read(path, 4).cells)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        assert target.startswith("https://") or (path.parent / target).exists(), target


def test_every_notebook_is_listed() -> None:
    listed = (NOTEBOOKS[0].parent.parent / "docs" / "getting-started.md").read_text()
    assert {path.name for path in NOTEBOOKS} == set(re.findall(r"`(\w+\.ipynb)`", listed))
