"""Makes a certificate for this machine: python certificate.py FOLDER [NAME]...

For trying out only. It signs itself, is good for 90 days, and is made again when less than 30
are left.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFE = timedelta(days=90)
RENEWED_BEFORE = timedelta(days=30)


def main(folder: Path, names: list[str]) -> None:
    """Write key.pem and certificate.pem, unless they are there and good for a while."""
    certificate, key_file = folder / "certificate.pem", folder / "key.pem"
    if certificate.exists() and key_file.exists():
        until = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
        if until - datetime.now(UTC) > RENEWED_BEFORE:
            sys.stdout.write(f"{certificate} is good until {until:%Y-%m-%d}.\n")
            return
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    certificate.write_bytes(signed(key, names).public_bytes(serialization.Encoding.PEM))
    sys.stdout.write(f"Written: {certificate}, for {', '.join(names)}.\n")


def signed(key: ec.EllipticCurvePrivateKey, names: list[str]) -> x509.Certificate:
    """A certificate of this key for these names and addresses, signed by itself."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFE)
        .add_extension(
            x509.SubjectAlternativeName([_general(text) for text in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def _general(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["localhost", "127.0.0.1"])
