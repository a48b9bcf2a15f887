"""Bytes that a stranger chose (names, servers' texts) made fit to be shown on a terminal or in a
log.

The same list as text/printable.h has: what a terminal obeys, what a reader does not see, and what
is no text.
"""

_HIDDEN = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xD800, 0xDFFF),
    (0xFDD0, 0xFDEF), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF))


def printable(text: str) -> str:
    """`text` with what is not printable as its bytes, "\\x1b"; a byte that was not UTF-8 (a
    surrogate, as os.fsdecode() makes them) too. Escaping what has been escaped changes nothing."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) if _is_hidden(ord(character)) else character
                   for character in text)


def _is_hidden(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or any(first <= code <= last for first, last in _HIDDEN)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
