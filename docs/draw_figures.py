"""Draws the pictures of the figures, from a study run for them: ``python docs/draw_figures.py``.

A support vector classifier on scikit-learn's digits, forty trials of ``LLMSampler`` with a
function in place of a language model. Needs ``.[test]`` and Chromium.
"""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path
import random
import shutil
import threading
from typing import TYPE_CHECKING
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import make_server

import optuna


if TYPE_CHECKING:
    from plotly.graph_objects import Figure


IMAGES = Path(__file__).parent / "images"
N_TRIALS = 40
_WIDTH, _COLORS = 800, 48


@functools.cache
def _data() -> Any:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X[:600] / 16.0, y[:600]


def objective(trial: optuna.Trial) -> float:
    """Return the error of three folds."""
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    params: dict[str, Any] = {
        "C": trial.suggest_float("C", 1e-3, 1e3, log=True),
        "gamma": trial.suggest_float("gamma", 1e-4, 10.0, log=True),
        "kernel": trial.suggest_categorical("kernel", ["rbf", "poly", "sigmoid"]),
    }
    if params["kernel"] == "poly":
        params["degree"] = trial.suggest_int("degree", 2, 5)
    if params["kernel"] != "rbf":
        params["coef0"] = trial.suggest_float("coef0", 0.0, 2.0)
    if trial.number == 6:
        raise MemoryError("the kernel matrix does not fit")
    return float(1.0 - cross_val_score(SVC(**params), *_data(), cv=3).mean())


def answers() -> Any:
    """Return a function in place of a model: it knows roughly where good values are."""
    rng = random.Random(0)

    def answer(prompt: str) -> str:
        candidates = [
            {
                "C": 10 ** rng.uniform(0, 2),
                "gamma": 10 ** rng.uniform(-2, 0),
                "kernel": rng.choice(["rbf", "rbf", "poly"]),
                "degree": 3,
                "coef0": 1.0,
                "reason": "A moderate C with a kernel as wide as the pixels' differences.",
            }
            for _ in range(5)
        ]
        return json.dumps({"candidates": candidates})

    return answer


def run() -> optuna.Study:
    """Run the study."""
    from optuna_llm import LLMSampler

    sampler = LLMSampler(answers(), prices=(0.25, 2.0), seed=0, n_trials=N_TRIALS, prefetch=False)
    study = optuna.create_study(study_name="digits", sampler=sampler)
    study.optimize(objective, N_TRIALS, catch=(MemoryError,))
    return study


def figures(study: optuna.Study) -> dict[str, Figure]:
    """Return the figures by the names of their pictures."""
    from optuna_llm import visualization as v

    return {
        "history": v.plot_history(study),
        "importance": v.plot_importance(study),
        "parameters": v.plot_partial_dependence(study, params=["gamma", "kernel", "C"]),
        "contour": v.plot_contour(study),
        "parallel": v.plot_parallel_coordinate(study),
        "calibration": v.plot_calibration(study),
        "sources": v.plot_sources(study),
        "spending": v.plot_spending(study),
    }


def save(shot: bytes, path: Path) -> None:
    """Write a picture with few colours, which make it small."""
    from PIL import Image

    image = Image.open(io.BytesIO(shot)).convert("RGB")
    image.quantize(_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path} {path.stat().st_size / 1000:.0f} kB")


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def draw(folder: Path) -> None:
    """Run the study and write the pictures."""
    import optuna_dashboard
    from playwright.sync_api import sync_playwright

    from optuna_llm.visualization import save_dashboard

    study = run()
    save_dashboard(study)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": 700})
        page.set_default_timeout(300_000)
        for name, figure in figures(study).items():
            html = figure.to_html(include_plotlyjs=True, config={"displayModeBar": False})
            page.set_content(html)
            place = page.locator(".js-plotly-plot")
            place.locator(".main-svg").first.wait_for()
            save(place.screenshot(), folder / f"figure-{name}.png")
        app = optuna_dashboard.wsgi(study._storage)
        server = make_server("127.0.0.1", 0, app, handler_class=_Silent)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.set_viewport_size({"width": 1400, "height": 1250})
        address = f"http://127.0.0.1:{server.server_port}/dashboard/studies/{study._study_id}"
        page.goto(address)
        own = page.locator(".gtitle", has_text="Contours of digits")
        own.wait_for()
        own.evaluate("title => title.scrollIntoView({block: 'center'})")
        page.wait_for_timeout(2000)
        save(page.screenshot(), folder / "dashboard.png")
        server.shutdown()
        browser.close()


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draw(IMAGES)
