"""Bytes that a stranger chose (names, servers' texts) made fit to be shown on a terminal or in a log.

The same list as text/printable.h has: what a terminal obeys, what a reader does not see, and what is no text.
"""

import re

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17)) + "]")


def printable(text: str) -> str:
    """`text` with what is not printable as its bytes, "\\x1b"; a byte that was not UTF-8 (a surrogate, as os.fsdecode()
    makes them) too. Escaping what has been escaped changes nothing."""
    return _HIDDEN.sub(lambda found: _escaped(found.group()), text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
