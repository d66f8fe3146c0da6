"""Text of a data set as unicode, by the data set's own Specific Character Set (PS3.3 C.12.1.1.2)."""

from __future__ import annotations

from pydicom.charset import decode_bytes, default_encoding, python_encoding

# Each switches back to the first character set: line ends, tab, form feed, and PN's ^ and = (PS3.5 6.1.2.5.3)
_DELIMITERS = frozenset(b"\r\n\t\f^=")


def encodings_of(specific_character_set: bytes) -> tuple[str, ...]:
    """Python codecs for a raw Specific Character Set value; empty if it names none that is known.

    Examples:
        >>> encodings_of(b"ISO_IR 192")
        ('UTF8',)
    """
    terms = [term.strip() for term in specific_character_set.decode("ascii", "replace").strip("\0 ").split("\\")]
    if terms == [""]:
        return (default_encoding,)
    terms[0] = terms[0] or "ISO_IR 6"
    return tuple(python_encoding[term] for term in terms if term in python_encoding)


def decode_text(value: bytes, encodings: tuple[str, ...]) -> str:
    """Decode a raw text value; padding is removed.

    Devices write UTF-8 or Latin-1 without saying so. What the declared character set cannot decode is
    read as UTF-8 if it is valid UTF-8, else as Latin-1, so that text is never lost and never an error.
    """
    value = value.rstrip(b"\0 ").lstrip(b" ")
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    try:
        return _declared(value, encodings)
    except (UnicodeDecodeError, LookupError):
        pass
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _declared(value: bytes, encodings: tuple[str, ...]) -> str:
    if not encodings or encodings == (default_encoding,):
        return value.decode("ascii")
    if len(encodings) == 1 and b"\x1b" not in value:
        return value.decode(encodings[0])
    return decode_bytes(value, encodings, set(_DELIMITERS))
