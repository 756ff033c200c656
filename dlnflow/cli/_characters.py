"""ASCII replacements for characters that a terminal's encoding does not have."""

# ruff: noqa: RUF001  (the table lists characters that look like ASCII)

from __future__ import annotations

import codecs
import re
import sys
import unicodedata

HANDLER = "dlnflow.plain"

PLAIN = dict(zip("—–−‐‑•·×∂‘’“”", "-----**xd''\"\"", strict=True)) | {
    "±": "+-",
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "⇒": "=>",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "≪": "<<",
    "≫": ">>",
    "∞": "inf",
    "√": "sqrt",
    "∑": "sum",
    "∏": "prod",
    "∫": "int",
    "∈": "in",
    "°": " deg",
    "✓": "yes",
    "✗": "no",
    "\u0302": "hat",
    "\u0303": "tilde",
    "\u0304": "bar",
}


def use_plain_characters() -> None:
    """Make standard output and error replace characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=HANDLER)


def plain(text: str) -> str:
    r"""A text in ASCII.

    Examples
    --------
    >>> plain("λ → ρ⁻², x₁ × w̄ … naïve ─┼─ \u4e2d")
    'lambda -> rho^-2, x_1 x wbar ... naive -+- \\u4e2d'
    """
    return re.sub(r"([¹²³⁰-⁾]+)|([₀-₎]+)|([^\x00-\x7f])", _replacement, text)


def _replacement(found: re.Match[str]) -> str:
    raised, lowered, one = found.groups()
    if one is None:
        digits = unicodedata.normalize("NFKC", raised or lowered).replace("−", "-")
        return ("^" if raised else "_") + digits
    return PLAIN.get(one) or _by_name(one)


def _by_name(one: str) -> str:
    """A replacement from the character's Unicode name or decomposition, else its number."""
    name = unicodedata.name(one, "")
    if name.startswith("GREEK"):
        name = unicodedata.name(unicodedata.normalize("NFKC", one)[:1], name)  # of symbols, letters
        letter = name.partition("LETTER ")[2].partition(" ")[0].replace("LAMDA", "LAMBDA")
        return letter.capitalize() if "CAPITAL" in name else letter.lower()
    if name.startswith("BOX DRAWINGS"):
        across, upright = ("HORIZONTAL" in name, "VERTICAL" in name)
        return "-" if across and not upright else "|" if upright and not across else "+"
    if "BLOCK" in name or name.startswith("BRAILLE"):
        return "*"
    parts = unicodedata.normalize("NFKD", one)
    letters = "".join(part for part in parts if part.isascii())
    return letters or one.encode("ascii", "backslashreplace").decode("ascii")


def _handler(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end


codecs.register_error(HANDLER, _handler)
