"""Certificates for tests: an authority, a server, machines with an OIN."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Certified:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def escaped(self) -> str:
        """As nginx hands it on."""
        return quote(self.certificate.public_bytes(PEM).decode(), safe="")

    @property
    def der(self) -> str:
        """As RFC 9440 has it."""
        return f":{base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()}:"

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        """Files of certificate and key."""
        files = folder / f"{name}.pem", folder / f"{name}.key"
        files[0].write_bytes(self.certificate.public_bytes(PEM))
        plain = serialization.NoEncryption()
        files[1].write_bytes(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
        return str(files[0]), str(files[1])


def authority(name: str = "Test CA") -> Certified:
    """A certification authority."""
    return _make([x509.NameAttribute(NameOID.COMMON_NAME, name)], None, ca=True)


def machine(issuer: Certified, *numbers: str, ended: bool = False) -> Certified:
    """A certificate with these numbers in its subject."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]
    names += [x509.NameAttribute(NameOID.SERIAL_NUMBER, number) for number in numbers]
    return _make(names, issuer, ended=ended)


def revoke(issuer: Certified, *revoked: Certified) -> bytes:
    """The issuer's list of what it revoked, as PEM."""
    now = datetime.now(UTC)
    made = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    made = made.last_update(now - timedelta(days=1)).next_update(now + timedelta(days=1))
    for one in revoked:
        ended = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(now)
        made = made.add_revoked_certificate(ended.build())
    return made.sign(issuer.key, hashes.SHA256()).public_bytes(PEM)


def _make(
    names: list[x509.NameAttribute], issuer: Certified | None, *, ca: bool = False, ended: bool = False
) -> Certified:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name(names)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=-1 if ended else 30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Certified(made, key)
