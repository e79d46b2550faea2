"""A machine's client certificate, as the proxy that verified it hands it on; nobody else's word is taken for it."""

import base64
import binascii
from datetime import datetime
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.x509.oid import NameOID

HEADER = "client-cert"
MAX_LENGTH = 16_000


def oin_of(header: str, now: datetime) -> str:
    """The organisation's number (OIN) in a certificate's `Subject.serialNumber`; empty when there is none to be had.

    The proxy has verified the chain and the key; read here are only the number and the dates.

    Args:
        header: The certificate as `:base64 of DER:` (RFC 9440, section 2.1) or as percent-encoded PEM, which is what
            nginx's `$ssl_client_escaped_cert` holds.
        now: The moment at which it must be valid.
    """
    try:
        certificate = _read(header[:MAX_LENGTH])
        numbers = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
        valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    except (ValueError, binascii.Error):
        return ""
    return str(numbers[0].value) if valid and len(numbers) == 1 else ""


def _read(header: str) -> x509.Certificate:
    if header.startswith(":"):
        return x509.load_der_x509_certificate(base64.b64decode(header.strip(":"), validate=True))
    return x509.load_pem_x509_certificate(unquote_to_bytes(header))
