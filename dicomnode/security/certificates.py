"""Certificates for trying TLS out: an authority, what it signs, and what it took back (RFC 5280)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dicomnode.errors import UsageError

_BACKDATED = timedelta(hours=1)  # clocks differ
_AUTHORITY, _AUTHORITY_KEY, _REVOKED = "ca.pem", "ca.key", "revoked.pem"
_EXPONENT = 65537
RSA_BITS = 2048  # the least that RFC 9325 4.5 allows, and quick to make


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a folder.

    Attributes:
        folder: Holds its certificate, its key, its revocation list and what it signed.
        certificate: Its own.
        key: Its private key.
    """

    folder: Path
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @classmethod
    def create(cls, folder: Path, now: datetime, days: int, bits: int = RSA_BITS) -> Self:
        """Make one, with an empty revocation list.

        Raises:
            UsageError: There is one already.
        """
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(_EXPONENT, bits)
        name = _name("dicomnode test authority")
        builder = _builder(name, name, key.public_key(), now, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(authority=True), critical=True)
        certificate = builder.sign(key, hashes.SHA256())
        _write_new(folder / _AUTHORITY_KEY, _key_pem(key), 0o600)
        _write_new(folder / _AUTHORITY, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        made = cls(folder, certificate, key)
        made._write_revoked([], now, days)
        return made

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The one in a folder.

        Raises:
            UsageError: There is none.
        """
        try:
            certificate = x509.load_pem_x509_certificate((folder / _AUTHORITY).read_bytes())
            key = serialization.load_pem_private_key((folder / _AUTHORITY_KEY).read_bytes(), None)
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder} holds no authority that can be read: {error}") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise UsageError(f"{folder / _AUTHORITY_KEY} is no RSA key; use the authority's own tool")
        return cls(folder, certificate, key)

    def issue(self, name: str, hosts: Sequence[str], now: datetime, days: int, bits: int = RSA_BITS) -> Path:
        """Sign a certificate for a server and client of that name; its key lies beside it, ``.key``.

        Args:
            name: Common name, and the file's name.
            hosts: Names and addresses that it is called by.
            now: Present time.
            days: It is valid for.
            bits: Length of its RSA key.

        Raises:
            UsageError: There is a file of that name.
        """
        key = rsa.generate_private_key(_EXPONENT, bits)
        builder = _builder(_name(name), self.certificate.subject, key.public_key(), now, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(authority=False), critical=True)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(usage, critical=False)
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts or [name]])
        builder = builder.add_extension(names, critical=False)
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = builder.add_extension(own, critical=False).sign(self.key, hashes.SHA256())
        path = self.folder / f"{name}.pem"
        _write_new(path.with_suffix(".key"), _key_pem(key), 0o600)
        _write_new(path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        return path

    def revoke(self, path: Path, now: datetime, days: int) -> None:
        """Add a certificate to the revocation list.

        Raises:
            UsageError: It cannot be read, or is another authority's.
        """
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
            certificate.verify_directly_issued_by(self.certificate)
        except (OSError, ValueError, TypeError, InvalidSignature) as error:
            raise UsageError(f"{path} is no certificate that the authority in {self.folder} signed") from error
        before = x509.load_pem_x509_crl((self.folder / _REVOKED).read_bytes())
        added = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now).build()
        others = [item for item in before if item.serial_number != certificate.serial_number]
        self._write_revoked([*others, added], now, days)

    def _write_revoked(self, revoked: Iterable[x509.RevokedCertificate], now: datetime, days: int) -> None:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - _BACKDATED).next_update(now + timedelta(days=days))
        for item in revoked:
            builder = builder.add_revoked_certificate(item)
        content = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        # A listener that reads it anew must see one list or the other
        draft = self.folder / f"{_REVOKED}.new"
        draft.write_bytes(content)
        draft.replace(self.folder / _REVOKED)


def has_authority(folder: Path) -> bool:
    """Whether a folder holds an authority."""
    return (folder / _AUTHORITY).exists() or (folder / _AUTHORITY_KEY).exists()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _BACKDATED).not_valid_after(now + timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise UsageError(f"{path} exists and is not overwritten; choose another folder or name") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
