"""What a model thinks aloud in a reply, told from what it answers.

Reasoning may hold configurations, too: drafts, which the model itself rejects. Families of models
mark it in their own ways, and small ones invent marks.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import itertools
import re

from optuna_llm.replies.lenient_json import Found


_THOUGHT = (
    r"(?:(?:chain[ _-]?of[ _-]?|inner[ _-]?)?(?:think(?:ing)?|thoughts?)(?:[ _-]?process)?"
    r"|reason(?:ing)?|reflect(?:ion)?|scratch[ _-]?pad|analysis|cot|(?:inner[ _-]?)?monologue"
    r"|deliberation|brainstorm(?:ing)?|drafts?|planning|critique)"
)
_MARK = re.compile(
    # <think>, </think>, [THINK], ◁think▷, <|begin_of_thought|>, <seed:think>
    r"[<\[◁【《](?=[|/\sa-z])\|?\s?(?:(?P<close>/|end(?:_of)?[_ ])\s?)?"
    r"(?:(?:begin(?:_of)?|start)[_ ])?(?:[a-z]{1,12}:)?"
    rf"(?P<name>{_THOUGHT})(?:\s[^<>\[\]]{{0,40}})?\s?\|?[>\]▷】》]"
    # <answer> ends reasoning that nobody has closed.
    r"|(?P<answer>[<\[]\|?(?:begin_of_)?(?:final_?)?(?:answer|solution|response|output)\|?[>\]])"
    # MedGemma, and what Ollama prints.
    r"|(?P<unused><unused9(?P<last>[45])>)|(?P<printed>\Athinking\.\.\.|\.\.\.done thinking\.?)"
    # ```thinking, up to the next fence
    rf"|(?P<fence>```|~~~)(?:\s?(?P<fenced>{_THOUGHT})\b)?"
    # Channels of gpt-oss, <|channel|>analysis<|message|>, also with their marks taken off.
    r"|<\|channel\|>\s?(?P<channel>\w{1,12})"
    r"|(?P<ended><\|(?:end|return)\|>)"
    r"|(?P<bare>\Aanalysis(?=[A-Z])|assistantfinal|assistantanalysis)",
    re.IGNORECASE,
)


def without_reasoning(text: str) -> str:
    """Return a text with blanks in place of its reasoning, marks included; of the same length.

    The opening mark may be missing, since it may be part of the prompt: what stands before a
    closing mark is reasoning. Without a closing mark it goes on to the end.
    """
    spans: list[tuple[int, int]] = []
    begin: int | None = None  # of the reasoning that is open
    opened = ""
    for mark in _MARK.finditer(text):
        kind, closes = _kind(mark)
        if not closes:
            if begin is None:
                begin, opened = mark.start(), kind
        elif begin is not None:
            if kind in (opened, "any", "answer"):
                spans.append((begin, mark.end()))
                begin = None
        elif kind in ("tag", "any"):
            spans = [(0, mark.end())]
    if begin is not None:
        spans.append((begin, len(text)))
    parts, done = [], 0
    for start, stop in spans:
        parts += [text[done:start], "\n", " " * (stop - start - 1)]
        done = stop
    return "".join([*parts, text[done:]])


def _kind(mark: re.Match[str]) -> tuple[str, bool]:
    """Return the kind of a mark, and whether it closes; "any" closes whatever is open.

    "answer" does so, too, but tells nothing of what stands before it where nothing is open.
    """
    if mark["name"]:
        # A small model may close <thinking> with </think>.
        return "tag", bool(mark["close"])
    if mark["fence"]:
        return "fence", not mark["fenced"]
    if mark["answer"]:
        return "answer", True
    if mark["unused"]:
        return "unused", mark["last"] == "5"
    if mark["printed"]:
        return "printed", mark["printed"][0] == "."
    if mark["ended"]:
        return "channel", True
    channel = (mark["channel"] or mark["bare"]).casefold()
    final = channel in ("final", "assistantfinal")
    return ("any" if final else "channel"), final


# --------------------------------------------------------------------------------------
# Drafts without known marks

_ANSWER = re.compile(
    r"(?<!/)\b(?:final(?: \w{1,20})?|answer|response|conclusion|decision|solution|output)"
    r"(?: is| are)?\s?[*_#`|=~-]{0,6}\s?(?::|>|\n)",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    rf"\b{_THOUGHT}\b\W{{0,5}}:|<{_THOUGHT}|^[\W_]{{0,6}}{_THOUGHT}[\W_]{{0,6}}$"
    r"|\b(?:wait|hmm+|actually|instead|rather|on second thought|no[,.!]|not (?:good|use)"
    r"|diverges?|reject\w*|discard\w*|scrap|worse|wrong|avoid"
    r"|too (?:high|low|large|small|big))\b"
    r"|\b(?:old|before|bad(?: \w+)?|attempt(?: \d+)?)[*_]{0,2}:",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(r"(?:```|~~~)\s?\w{0,12}")
# A name on its own between marks: of a tag in any language, of a part of the reply.
_TAG = re.compile(
    r"[<\[◁【《]\|?(?P<close>/|end[_ ])?(?:(?:begin|start)[_ ])?(?P<name>[^\W\d_][\w:.-]{0,30}?)"
    r"(?:_(?:start|begin|(?P<end>end)))?(?:\s[^<>\[\]]{0,60})?\|?[>\]▷】》]"
    r"|(?P<open_comment><!--|/\*)|(?P<close_comment>-->|\*/)"
    r"|==(?P<close_heading>/)?(?P<heading>[a-z]{1,30})==",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W\d_]|[)>]")
_SEPARATE = re.compile(r"[^\s,;]")


def answered(
    text: str, found: Sequence[Found], is_asked_for: Callable[[object], bool]
) -> Sequence[Found]:
    """Return the objects of a text that are its answer, leaving out drafts before them.

    What stands between a tag and its end does not, where something stands outside of all tags.
    The last whole object in the form that was asked for counts, with those of this form that stand
    side by side with it, unless words of doubt come first. Where there is none, and words come
    first, all objects behind the last heading such as ``Answer:``, or the last ones, if words
    between speak of doubt; else all.
    """
    found = _outside_of_tags(text, found)
    asked = [f for f in found if is_asked_for(f.value)]
    if asked:
        groups, _ = _grouped(text, asked, _SEPARATE)
        whole = [group for group in groups if any(f.whole for f in group)]
        chosen = (whole or groups)[-1]
        return chosen[-1:] if _DOUBT.search(text[: chosen[0].start]) else chosen
    groups, told = _grouped(text, found, _LETTER)
    # Who begins with an object has answered at once; what follows is an afterthought.
    if len(groups) < 2 or not told[0].strip():
        return found
    headed = [i for i, words in enumerate(told) if _ANSWER.search(words)]
    if headed:
        return [f for group in groups[headed[-1] :] for f in group]
    return groups[-1] if any(_DOUBT.search(words) for words in told) else found


def _outside_of_tags(text: str, found: Sequence[Found]) -> Sequence[Found]:
    """Return the objects that stand in no pair of tags, whatever its name; all if none does."""
    if len(found) < 2:
        return found
    begun: dict[str, int] = {}
    depth = [0] * (len(text) + 1)
    for tag in _TAG.finditer(text):
        name = (tag["name"] or tag["heading"] or "comment").casefold()
        if not (tag["close"] or tag["end"] or tag["close_comment"] or tag["close_heading"]):
            begun[name] = tag.end()
        elif name in begun:
            depth[begun.pop(name)] += 1
            depth[tag.start()] -= 1
    enclosed = list(itertools.accumulate(depth))
    return [f for f in found if enclosed[f.start] == 0] or found


def _grouped(
    text: str, found: Sequence[Found], apart: re.Pattern[str]
) -> tuple[list[list[Found]], list[str]]:
    """Return objects in groups between which a pattern stands, and the text before each group."""
    groups: list[list[Found]] = []
    told: list[str] = []
    end = 0
    for item in found:
        between = _FENCE.sub("", text[end : item.start])
        if not groups or apart.search(between):
            groups.append([])
            told.append(between)
        groups[-1].append(item)
        end = item.stop
    return groups, told


def after_heading(text: str) -> str:
    """Return what follows the last heading such as ``Answer:``; nothing without one."""
    end = None
    for heading in _ANSWER.finditer(text):
        end = heading.end()
    return "" if end is None else text[end:]
