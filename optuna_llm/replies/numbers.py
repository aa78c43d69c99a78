"""Numbers as people and small models write them: ``0,001``, ``1/3``, ``3×10⁻⁴``, ``32k``.

A text is read as a whole, or it is no number. So a range, two numbers, a bound such as ``< 0.1``
or ``-3 (log10)`` are none: what is read must be the number that is meant, never another one.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import math
import re
from typing import Any
import unicodedata

from optuna.distributions import IntDistribution

from optuna_llm.space.numbers import NumericDistribution
from optuna_llm.space.numbers import is_number


# A number with a remark; of longer texts nobody knows whether they are whole.
_MAX_TEXT = 100
_PLAIN = re.compile(
    r"\s{0,9}[-+]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,4})?\s{0,9}", re.ASCII
)


def is_plain(raw: Any) -> bool:
    """Say whether a value is written as a program writes numbers."""
    return is_number(raw) or (isinstance(raw, str) and _PLAIN.fullmatch(raw) is not None)


def read_number(raw: Any, distribution: NumericDistribution | None = None) -> float | None:
    """Read the number that a value of a reply means; None where it names none, or several.

    Args:
        raw: Whatever the reply holds.
        distribution: What the number is for. It decides between two readings, such as ``1,234``
            for 1234 and 1.234; where both or none are legal there it is no number. Only numbers
            that are written plainly may lie outside of it.
    """
    if is_plain(raw) and not _may_be_grouped(raw, distribution):
        return next(iter(readings(raw)), None)
    if distribution is None:
        return next(iter(readings(raw)), None)
    low, high = distribution.low, distribution.high
    is_whole = isinstance(distribution, IntDistribution)

    def is_legal(number: float) -> bool:
        return low <= number <= high and not (is_whole and number != round(number))

    found = readings(raw)
    if _may_be_grouped(raw, distribution):
        found = (*found, 1000 * found[0])
    if is_whole and len(found) == 2 and found[0] == 1000 * found[1]:
        found = found[:1]  # 1,000: nobody writes the decimals of a whole number.
    if high in (1, 100) and isinstance(raw, str) and _PERCENT.search(_in_ascii(raw)):
        found = found[:1] if high == 1 else found[1:]  # The range is one of shares, or of percent.
    return meant(found, is_legal)


def meant(found: tuple[float, ...], is_legal: Callable[[float], bool]) -> float | None:
    """Return the only one of several readings that is legal."""
    legal = [number for number in found if is_legal(number)]
    return legal[0] if len(legal) == 1 else None


def readings(raw: Any) -> tuple[float, ...]:
    """Return the finite numbers that a value may mean, the usual reading first; often one."""
    if isinstance(raw, list) and len(raw) == 1:
        raw = raw[0]
    if isinstance(raw, Mapping) and "value" in raw:
        raw = raw["value"]
    try:
        if is_number(raw):
            found: tuple[float, ...] = (_exact(raw),)
        elif isinstance(raw, str) and is_plain(raw):
            # What is too small for a float is not zero.
            vanishes = float(raw) == 0 and re.match(r"[^eE]*[1-9]", raw)
            found = () if vanishes else (_exact(raw),)
        elif isinstance(raw, str) and len(raw) <= _MAX_TEXT:
            found = _read(_in_ascii(raw))
        else:
            return ()
    except (OverflowError, ValueError, ZeroDivisionError):
        return ()
    return tuple(number for number in found if isinstance(number, int) or math.isfinite(number))


def _exact(raw: float | str) -> float:
    """Return a number; a whole one that a float cannot hold as an int."""
    number = float(raw)
    is_whole = str(raw).strip().lstrip("+-").isdigit()
    return int(raw) if is_whole and 2**53 <= abs(number) < math.inf else number


def _may_be_grouped(raw: Any, distribution: NumericDistribution | None) -> bool:
    """Whether a text such as ``1.500`` may be a whole number in groups of three digits."""
    return (
        isinstance(distribution, IntDistribution)
        and isinstance(raw, str)
        and re.fullmatch(r"\s*[-+]?[1-9]\d{0,2}\.\d{3}\s*", raw) is not None
    )


# --------------------------------------------------------------------------------------
# Characters

_POWERS = re.compile("[⁺⁻]?[⁰¹²³⁴-⁹]+")
_SIGNS = str.maketrans(
    dict.fromkeys("−–—‒‐‑", "-")
    | dict.fromkeys("×✕⋅·∙•∗", "*")
    | dict.fromkeys("’ʼ′", "'")
    | dict.fromkeys("≈≃∼", "~")
    | {"⁄": "/", "∕": "/", "÷": "/", "٫": ".", "٬": ",", "٪": "%"}
)


def _in_ascii(text: str) -> str:
    """Return a text with digits and signs of any script in ASCII, superscripts as powers."""
    # A small sign would run into the digit beside it: 1½ is not 11/2, 10²3 not 10**23.
    text = text.strip(" \t\r\n\"'`*_")
    text = re.sub(r"^\(([^()]*)\)$|^\[([^\[\]]*)\]$", r"\1\2", text)
    text = re.sub(r"(?<=[\d%])[.,;!]$", "", text)
    text = re.sub(r"(?<=\d)(?=[¼½¾⅐-⅞])|(?<=[⁰¹²³⁴-⁹])(?=\d)", "?", text)
    text = _POWERS.sub(lambda power: "^" + unicodedata.normalize("NFKC", power[0]), text)
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    return "".join(c if c.isascii() else str(unicodedata.decimal(c, c)) for c in text).strip()


# --------------------------------------------------------------------------------------
# Forms

_NUMBER = re.compile(
    r"""
    (?: (?: ~ | ={1,2} | : | about | around | roughly | approx(?:imately|\.)? | circa | ca\.
      | exactly ) \s* ){0,2}
    (?P<sign> [-+]? ) \s?
    (?P<digits> \d+ (?: [.,'_\ ] \d+ )* (?: \.(?!\d) )? | \.\d+ )
    (?:
      \s? e \s? (?P<e> [-+]? \d{1,4} )
    | \s? [*x] \s? 10 \s? (?: \^ | \*\* ) \s? [({]? \s? (?P<ten> [-+]? \d{1,4} ) \s? [)}]?
    | \s? (?: \^ | \*\* ) \s? [({]? \s? (?P<power> [-+]? \d{1,4} ) \s? [)}]?
    | \s? / \s? (?P<divisor> \d+ ) (?! [.,]\d )
      # Not in whatever case: m would be a thousandth.
    | \s? (?P<factor> (?-i: [kKMGB] | [Tt]housand | [Mm]illion | [Mm]io | [Mm]ln | [Bb]illion
      | [Bb]n ) ) \b
    )?
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_PERCENT = re.compile(r"\s?(?:%|per ?cent\b|pct\b)", re.IGNORECASE)
_FACTORS = {"k": 1e3, "t": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
# What may stand behind a number and leave it what it is. In parentheses or behind a comma that is
# any remark but one that tells of another scale, another number or a doubt.
_REMARK = re.compile(r"\s?[([]([^()]*)[)\]]?|\s?[,;]\s(.*)|\s-\s(.*)|\s(.*)", re.DOTALL)
_TELLING = re.compile(
    r"[\d%]|\b(?:log\w*|ln|exp\w*|power|pow|per ?cent|pct|kilo\w*|mega\w*|giga\w*|milli\w*"
    r"|micro\w*|nano\w*|dozens?|\w*hundreds?|\w*thousands?|\w*ths?|[kmgb]|bn|mio|mln|ki|mi|gi|half|halves"
    r"|squared?|cubed?|root|inverse|inverted|reciprocal|negative|minus|plus|times|divided|over|per"
    r"|or|to|until|through|than|at least|at most|up|max\w*|min\w*|more|less|not?|never|nor|none"
    r"|n[o']t|too|avoid\w*|instead|but|reject\w*|diverg\w*|fail\w*|bad|wrong|units? of|in)\b",
    re.IGNORECASE,
)
_LOG_SCALE = re.compile(r"(?:on (?:a )?)?log(?:arithmic)?(?:[ -]?(?:scale|uniform))?", re.I)
_UNITS = re.compile(
    r"(?:hidden |decision |boosting )?(?:layer|level|unit|neuron|node|tree|estimator|epoch|step"
    r"|iteration|round|head|filter|channel|sample|example|row|feature|dim|dimension|token|leaf|leave"
    r"|split|fold|block|bin|cluster|component|neighbou?r|pixel|batche?|worker|point)s?",
    re.IGNORECASE,
)


def _read(text: str) -> tuple[float, ...]:
    """Read a text of ASCII as a whole."""
    match = _NUMBER.match(text)
    if match is None:
        return ()
    rest = text[match.end() :]
    percent = _PERCENT.match(rest)
    if percent:
        rest = rest[percent.end() :]
    if not _is_remark(rest):
        return ()
    sign = -1.0 if match["sign"] == "-" else 1.0
    found = [sign * _changed(digits, match) for digits in _grouped(match["digits"])]
    if percent:
        return tuple(f for number in found for f in (number / 100, number))
    return tuple(found)


def _is_remark(text: str) -> bool:
    """Say whether what stands behind a number leaves it what it is."""
    if not text.strip(" .!"):
        return True
    match = _REMARK.fullmatch(text)
    if match is None:
        return False
    remark = next(group for group in match.groups() if group is not None).strip(" .!")
    if match[4] is not None:
        return _UNITS.fullmatch(remark) is not None
    return _LOG_SCALE.fullmatch(remark) is not None or not _TELLING.search(remark)


def _changed(digits: str, match: re.Match[str]) -> float:
    """Apply the exponent, the power, the divisor or the factor behind digits."""
    exponent = match["e"] or match["ten"]
    number = float(f"{digits}e{exponent}" if exponent else digits)
    if match["power"]:
        power = int(match["power"])
        if number == 0 and power <= 0:
            raise ZeroDivisionError  # 0^0 means nothing either.
        return float(number**power)
    if match["divisor"]:
        return number / int(match["divisor"])
    if match["factor"]:
        return number * _FACTORS[match["factor"][0].lower()]
    return number


_PYTHON = re.compile(r"\d+(?:_\d+)*(?:\.\d*)?|\.\d+", re.ASCII)
_COMMAS = re.compile(r"(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3})(?:\.\d+)?", re.ASCII)
_POINTS = re.compile(
    r"[1-9]\d{0,2}(?:\.\d{3}){2,}(?:,\d+)?|[1-9]\d{0,2}(?:\.\d{3})+,\d+", re.ASCII
)
_GAPS = re.compile(r"[1-9]\d{0,2}(?:([ '])\d{3})(?:\1\d{3})*(?:[.,]\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"\d+,\d+", re.ASCII)


def _grouped(digits: str) -> list[str]:
    """Return what digits with marks of groups, or a decimal comma, are without them."""
    if _PYTHON.fullmatch(digits):
        return [digits]
    if _POINTS.fullmatch(digits):
        return [digits.replace(".", "").replace(",", ".")]
    if _GAPS.fullmatch(digits):
        return [re.sub("[ ']", "", digits).replace(",", ".")]
    found = []
    if _COMMAS.fullmatch(digits):
        found.append(digits.replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(digits):
        found.append(digits.replace(",", "."))
    return found
