"""Draws the house from what it is made of: ``python docs/draw_architecture.py``.

The floors stand in pyproject.toml, what a file is for in its first line, and the way of one trial
in :data:`WAY`, which a test follows through a trial that is run. The picture and the tree of
architecture.md are written from these; ``make docs`` does so, and a test compares.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
import html
from pathlib import Path
import re
import sys


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "optuna_llm"
PICTURE = ROOT / "docs/images/architecture.svg"
PAGE = ROOT / "docs/architecture.md"
_MARKS = "<!-- tree, by draw_architecture.py -->", "<!-- end of tree -->"

# The way of one trial on the model's turn in LLMSampler: function, and what it does there.
WAY = (
    ("history.history:History.from_study", "reads the storage: one view of the study"),
    ("sharing.turns:model_share", "tells whose turn it is, by what each has earned"),
    ("sharing.base:Base.point", "asks the base sampler what it would run"),
    ("expectations.study:StudySurrogate.of", "fits the surrogate of the study"),
    ("prompts.proposal:proposal_messages", "writes the prompt within its token budget"),
    ("sharing.assistant:Assistant.exchange", "asks the model, and once more if need be"),
    ("chat.ledger:Ledger.reserve", "takes the request from the budget of all workers"),
    ("replies.reply:parse_proposals", "reads the configurations out of the reply"),
    ("replies.repair:repair", "keeps every usable value of each"),
    ("space.tried:Tried.repeats", "leaves out what has been tried"),
    ("expectations.outlook:Outlook.order", "takes the most promising one"),
    ("expectations.outlook:Outlook.is_hopeless", "or vetoes it, if no luck could help it"),
    ("history.attributes:write_parts", "writes who proposed what, and why"),
)


@dataclass(frozen=True)
class Room:
    """A module or a folder on a floor.

    Attributes:
        path: Below the package, such as ``chat`` or ``cqr.py``.
        files: Its files, such as ``chat/ledger.py``; a module is its own.
    """

    path: str
    files: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its name with a slash behind a folder's."""
        return self.path if self.path.endswith(".py") else f"{self.path}/"


def floors() -> list[list[Room]]:
    """Return the rooms of each floor, from the top down, as the contract says."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (c["layers"] for c in contracts["contracts"] if c["type"] == "layers")
    return [[_room(m.strip().split(".")[1]) for m in re.split("[:|]", line)] for line in layers]


def _room(name: str) -> Room:
    if (PACKAGE / f"{name}.py").is_file():
        return Room(f"{name}.py", (f"{name}.py",))
    return Room(name, tuple(f for f in files() if f.startswith(f"{name}/")))


def files() -> list[str]:
    """Return every file of the package that is shown: all but type markers and empty rooms."""
    found = (f for f in PACKAGE.rglob("*") if f.suffix in (".py", ".html", ".toml"))
    return sorted(
        f.relative_to(PACKAGE).as_posix()
        for f in found
        if f.name != "__init__.py" or f.parent == PACKAGE
    )


def purpose(path: str) -> str:
    """Return the first line of what a file or a folder says of itself, as Markdown."""
    file = PACKAGE / path
    file = file / "__init__.py" if file.is_dir() else file
    if file.suffix == ".html":
        return "The shell of the page: its HTML, its style and its few lines of script."
    if file.suffix == ".toml":
        return file.read_text().splitlines()[0].removeprefix("# ")
    said = ast.get_docstring(ast.parse(file.read_text())) or ""
    line = said.split("\n\n")[0].replace("\n", " ")
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", line).replace("``", "`")


def tree() -> str:
    """Return the rooms and their files with what they are for, from the top floor down."""
    lines = [f"- `__init__.py`: {purpose('__init__.py')}"]
    for room in (room for floor in floors() for room in floor):
        lines.append(f"- `{room.title}`: {purpose(room.path)}")
        if room.files == (room.path,):
            continue
        for folder, inside in _folders(room):
            if folder != room.path:
                lines.append(f"    - `{folder.removeprefix(room.path + '/')}/`: {purpose(folder)}")
            depth = 4 + 4 * (folder != room.path)
            lines += [f"{' ' * depth}- `{Path(f).name}`: {purpose(f)}" for f in inside]
    return "\n".join(lines)


def _folders(room: Room) -> list[tuple[str, list[str]]]:
    """Return the folders of a room, itself first, with the files that lie right in them."""
    folders = sorted({str(Path(f).parent) for f in room.files})
    return [(d, [f for f in room.files if str(Path(f).parent) == d]) for d in folders]


def page() -> str:
    """Return the page with the tree as it is now."""
    first, last = _MARKS
    before, _, rest = PAGE.read_text().partition(first)
    return f"{before}{first}\n\n{tree()}\n\n{last}{rest.partition(last)[2]}"


# --------------------------------------------------------------------------------------
# The picture

_WIDTH, _GUTTER, _GAP, _PAD = 1000, 40, 8, 10
_CHAR, _CHIP, _LINE = 7.0, 20, 25
_STYLE = """
  text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #262c36; }
  .room { fill: #ffffff; stroke: #b9c2cf; }
  .floor { fill: #f0f3f7; }
  .name { font-weight: bold; }
  .quiet { fill: #667080; }
  .used { fill: #dcebf8; }
  .step { fill: #1a6fb5; }
  .number { fill: #ffffff; font: bold 11px system-ui, sans-serif; text-anchor: middle; }
  .told { font: 13px system-ui, sans-serif; }
"""


def picture() -> str:
    """Return the floors with their rooms and files, and the way of one trial, as SVG."""
    steps: dict[str, list[int]] = {}
    for number, (function, _) in enumerate(WAY, start=1):
        module = function.partition(":")[0].replace(".", "/") + ".py"
        steps.setdefault(module, []).append(number)
    drawn: list[str] = []
    y = 8.0
    for floor in floors():
        usable = _WIDTH - _GUTTER - _GAP * (len(floor) + 1)
        widths = _shares(floor, usable)
        height = max(_height(room, w, steps) for room, w in zip(floor, widths, strict=True))
        drawn.append(f'<rect class="floor" y="{y:g}" width="{_WIDTH}" height="{height + 16:g}"/>')
        level = len(floors()) - floors().index(floor)
        drawn.append(f'<text class="name quiet" x="14" y="{y + 26:g}">{level}</text>')
        x = float(_GUTTER + _GAP)
        for room, width in zip(floor, widths, strict=True):
            drawn += _drawn(room, x, y + 8, width, height, steps)
            x += width + _GAP
        y += height + 22
    y += 16
    drawn.append(
        f'<text class="told name" x="14" y="{y:g}">The way of one trial through LLMSampler,'
        " on the turn of the model</text>"
    )
    for number, (function, what) in enumerate(WAY, start=1):
        y += 24
        drawn += _badge(24, y - 4, number)
        name = html.escape(function.replace(".", "/", 1).replace(":", ".py  "))
        drawn.append(f'<text x="44" y="{y:g}">{name}</text>')
        drawn.append(f'<text class="told" x="390" y="{y:g}">{html.escape(what)}</text>')
    size = f'width="{_WIDTH}" height="{y + 16:g}" viewBox="0 0 {_WIDTH} {y + 16:g}"'
    title = "The floors of the package, and the way of one trial"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{title}</title>\n'
        f'<style>{_STYLE}</style>\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _shares(floor: list[Room], usable: float) -> list[float]:
    """Return the widths of the rooms of a floor: by their number of files, none too narrow."""
    weights = [max(len(room.files), 3) for room in floor]
    return [usable * w / sum(weights) for w in weights]


def _chips(room: Room, width: float, steps: dict[str, list[int]]) -> list[list[tuple[str, float]]]:
    """Return the lines of files that a room of such a width has, each with its place."""
    lines: list[list[tuple[str, float]]] = [[]]
    x = 0.0
    for file in room.files:
        taken = _chip_width(file, room, steps)
        if x and x + taken > width - 2 * _PAD:
            lines.append([])
            x = 0.0
        lines[-1].append((file, x))
        x += taken + 6
    return lines


def _label(file: str, room: Room) -> str:
    if file.endswith(".toml"):
        return Path(file).stem  # Tables lie in one folder, whose name would not fit beside theirs.
    return file.removeprefix(f"{room.path}/").removesuffix(".py")


def _chip_width(file: str, room: Room, steps: dict[str, list[int]]) -> float:
    return _CHAR * len(_label(file, room)) + 12 + 20 * len(steps.get(file, ()))


def _height(room: Room, width: float, steps: dict[str, list[int]]) -> float:
    if room.path.endswith(".py"):
        return 34
    return 34 + _LINE * len(_chips(room, width, steps)) + 4


def _drawn(
    room: Room, x: float, y: float, width: float, height: float, steps: dict[str, list[int]]
) -> list[str]:
    drawn = [
        f'<rect class="room" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>',
        f'<text class="name" x="{x + _PAD:g}" y="{y + 21:g}">{room.title}</text>',
    ]
    if room.path.endswith(".py"):
        return drawn
    for row, line in enumerate(_chips(room, width, steps)):
        for file, offset in line:
            left, top = x + _PAD + offset, y + 32 + row * _LINE
            if numbers := steps.get(file, ()):
                wide = _chip_width(file, room, steps)
                drawn.append(
                    f'<rect class="used" x="{left:g}" y="{top:g}" width="{wide:g}"'
                    f' height="{_CHIP}" rx="4"/>'
                )
            label = _label(file, room)
            style = "" if numbers else ' class="quiet"'
            drawn.append(f'<text{style} x="{left + 6:g}" y="{top + 14:g}">{label}</text>')
            for i, number in enumerate(numbers):
                centre = left + _CHAR * len(label) + 20 + 20 * i
                drawn += _badge(centre, top + _CHIP / 2, number)
    return drawn


def _badge(x: float, y: float, number: int) -> list[str]:
    return [
        f'<circle class="step" cx="{x:g}" cy="{y:g}" r="8.5"/>',
        f'<text class="number" x="{x:g}" y="{y + 4:g}">{number}</text>',
    ]


def main() -> None:
    """Write the picture and the tree."""
    PICTURE.write_text(picture())
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
