"""Bytes as text: base64url without padding (RFC 4648 section 5), in its one canonical form."""

from base64 import urlsafe_b64encode
from binascii import a2b_base64

from pseudonymisation.errors import MalformedError

_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/***")


def to_text(data: bytes) -> str:
    """32 bytes become 43 characters, 64 become 86, 160 become 214."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_text(text: str, length: int) -> bytes:
    """Read exactly `length` bytes back.

    Raises:
        MalformedError: another alphabet, padding, another length, or stray bits in the last character, so that two
            texts are never one value.
    """
    try:
        standard = text.encode("ascii").translate(_TO_STANDARD) + b"=" * (-len(text) % 4)
        data = a2b_base64(standard, strict_mode=True)
    except ValueError:
        raise MalformedError("not base64url without padding") from None
    if len(data) != length or to_text(data) != text:
        raise MalformedError(f"not the base64url form of exactly {length} bytes")
    return data
