"""Run the notebooks from the top and store their outputs.

python notebooks/execute.py                    # all
python notebooks/execute.py quickstart.ipynb   # one
"""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
import sys
import tempfile

from nbclient import NotebookClient
import nbformat
from PIL import Image


FOLDER = Path(__file__).parent
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
_SECONDS_A_CELL = 900


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return a notebook as it is after a run in a folder, with no key and no model to find.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=_SECONDS_A_CELL, resources={"metadata": {"path": str(folder)}}
    )
    secret = ("_API_KEY", "_TOKEN")
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(secret) and not name.startswith("OPTUNA_LLM_")
    }
    # Optuna's progress bars, which are not used, ask for widgets.
    env["PYTHONWARNINGS"] = "ignore:IProgress not found"
    client.execute(env=env)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # Times, which differ from run to run.
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _smaller(output.data["image/png"])
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return notebook


def _smaller(picture: str) -> str:
    """Return a PNG picture, in base64, with a palette of 128 colours."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        image.convert("RGB").quantize(128).save(small, format="PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def main(names: list[str]) -> None:
    """Run notebooks, all if none is named, and store them."""
    for path in [FOLDER / name for name in names] or NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(path, Path(folder))
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
