"""What readers of the repository meet: the forms of issues, the policy on vulnerabilities."""

from __future__ import annotations

from pathlib import Path
import re

import pytest
import yaml


ROOT = Path(__file__).parent.parent
FORMS = [f for f in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if f.stem != "config"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_has_what_github_demands_of_it(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= content.keys()
    names = [field["id"] for field in content["body"]]
    assert len(set(names)) == len(names) > 0
    for field in content["body"]:
        assert field["type"] in {"textarea", "input", "dropdown", "checkboxes", "markdown"}
        assert field["attributes"]["label"]
        if field["type"] == "dropdown":
            assert all(isinstance(option, str) for option in field["attributes"]["options"])


def test_readers_are_sent_to_pages_that_exist() -> None:
    own = re.compile(r"https://github\.com/optuna-llm/optuna-llm/blob/main/(\S+)")
    places = own.findall((ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text())
    for name in ("SECURITY.md", ".github/pull_request_template.md"):
        page = ROOT / name
        for link in re.findall(r"\]\((?!https:)([^)#]+)", page.read_text()):
            places.append((page.parent / link).resolve().relative_to(ROOT).as_posix())
    assert len(places) >= 3
    for place in places:
        assert (ROOT / place).exists(), place
