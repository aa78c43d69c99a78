"""Read docstrings' reStructuredText roles and blocks, which mkdocstrings takes for plain text."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension
from griffe import Object


_ROLE = re.compile(r":(?:class|func|meth|attr|data|mod):`~?([\w.]+)`")
_BLOCK = re.compile(r"^( *)\.\. (?:testcode::|code-block:: python)\n\n((?:\1 +.*\n|\n)+)", re.M)
_LITERAL = re.compile(r"::$", re.M)


class Roles(Extension):
    """Make links of roles, code blocks of directives."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            text = _BLOCK.sub(_fence, obj.docstring.value + "\n")
            obj.docstring.value = _LITERAL.sub(":", _ROLE.sub(_link, text)).rstrip()


def _link(found: re.Match[str]) -> str:
    target = found[1]
    shown = target.rsplit(".", 1)[-1]
    # "optional": a name that has no entry in the reference is shown as code.
    return f'<autoref optional identifier="{target}"><code>{shown}</code></autoref>'


def _fence(found: re.Match[str]) -> str:
    indent = found[1]
    lines = [line[len(indent) + 4 :] for line in found[2].rstrip().splitlines()]
    return "\n".join(indent + line for line in ["```python", *lines, "```"]) + "\n\n"
