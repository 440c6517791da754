"""The lab's certificates: sound where nothing is said, odd exactly where it is."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError

from proxy.lab import _der
from proxy.lab.authority import (
    BROKER_NAME,
    DAY,
    Authority,
    Identity,
    KeyKind,
    SignatureKind,
    damaged,
    private_key,
)

# A moment long past: nothing here may depend on today.
AT = datetime.datetime(2011, 3, 14, 12, 0, 0, tzinfo=datetime.UTC).timestamp()


@pytest.fixture
def authority() -> Authority:
    return Authority(AT)


def openssl_verdict(leaf: Identity, trust: Identity, between: list[Identity] | None = None) -> str:
    """What OpenSSL says of a chain at the moment AT; "ok" where it accepts it."""
    store = X509Store()
    store.set_time(datetime.datetime.fromtimestamp(AT, datetime.UTC))
    store.add_cert(X509.from_cryptography(trust.x509))
    others = [X509.from_cryptography(link.x509) for link in between or ()]
    context = X509StoreContext(store, X509.from_cryptography(leaf.x509), others)
    try:
        context.verify_certificate()
    except X509StoreContextError as error:
        return str(error)
    return "ok"


def test_defaults_are_accepted_by_openssl(authority: Authority) -> None:
    root = authority.root()
    assert openssl_verdict(authority.server(root), root) == "ok"
    assert openssl_verdict(authority.device(root), root) == "ok"
    below = authority.intermediate(root)
    assert openssl_verdict(authority.server(below), root, [below]) == "ok"


def test_defaults_are_what_a_broker_needs(authority: Authority) -> None:
    leaf = authority.server(authority.root()).x509
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [BROKER_NAME]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert leaf.version is x509.Version.v3
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert leaf.not_valid_before_utc.timestamp() < AT < leaf.not_valid_after_utc.timestamp()


@pytest.mark.parametrize(
    ("make", "openssl_says"),
    [
        (lambda a, r: a.server(r, ends=-DAY), "expired"),
        (lambda a, r: a.server(r, starts=DAY), "not yet valid"),
        (lambda a, r: a.server(None), "self-signed"),
        (lambda a, r: a.server(a.root("Another CA", slot="other")), "issuer certificate"),
        (lambda a, r: a.server(r, signed_by=a.root(slot="other")), "signature failure"),
        (lambda a, r: damaged(a.server(r)), "signature failure"),
        (lambda a, r: a.server(r, critical_extension="1.3.6.1.4.1.55555.1"), "critical"),
    ],
)
def test_an_oddity_is_what_openssl_finds(
    authority: Authority, make: Callable[[Authority, Identity], Identity], openssl_says: str
) -> None:
    root = authority.root()
    assert openssl_says in openssl_verdict(make(authority, root), root).replace(
        "self signed", "self-signed"
    )


def test_an_issuer_that_is_no_ca(authority: Authority) -> None:
    root = authority.root()
    false_ca = authority.intermediate(root, ca=False, signs_certificates=False, path_length=None)
    leaf = authority.server(false_ca)
    leaf.x509.verify_directly_issued_by(false_ca.x509)
    assert openssl_verdict(leaf, root, [false_ca]) != "ok"


def test_name_constraints_bind(authority: Authority) -> None:
    root = authority.root()
    bound = authority.intermediate(root, permitted=["other.example"])
    assert "permitted" in openssl_verdict(authority.server(bound), root, [bound])
    fits = authority.server(bound, names=["a.other.example"])
    assert openssl_verdict(fits, root, [bound]) == "ok"


def test_a_bad_signature_has_the_issuers_name(authority: Authority) -> None:
    root = authority.root()
    leaf = authority.server(root, signed_by=authority.root(slot="other")).x509
    assert leaf.issuer == root.x509.subject
    with pytest.raises(InvalidSignature):
        leaf.verify_directly_issued_by(root.x509)


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("rsa-1024", rsa.RSAPublicKey),
        ("rsa-3072", rsa.RSAPublicKey),
        ("p-256", ec.EllipticCurvePublicKey),
        ("p-384", ec.EllipticCurvePublicKey),
        ("ed25519", ed25519.Ed25519PublicKey),
    ],
)
def test_kinds_of_keys(authority: Authority, kind: KeyKind, of: type) -> None:
    root = authority.root(key=kind)
    leaf = authority.server(root, key=kind)
    assert isinstance(leaf.x509.public_key(), of)
    leaf.x509.verify_directly_issued_by(root.x509)


@pytest.mark.parametrize(
    ("kind", "signature", "oid"),
    [
        ("rsa-2048", "sha256", "1.2.840.113549.1.1.11"),
        ("rsa-2048", "sha512", "1.2.840.113549.1.1.13"),
        ("rsa-2048", "sha1", "1.2.840.113549.1.1.5"),
        ("rsa-2048", "md5", "1.2.840.113549.1.1.4"),
        ("rsa-2048", "pss-sha256", "1.2.840.113549.1.1.10"),
        ("rsa-2048", "pss-sha512", "1.2.840.113549.1.1.10"),
        ("p-256", "sha384", "1.2.840.10045.4.3.3"),
        ("p-256", "sha1", "1.2.840.10045.4.1"),
    ],
)
def test_signature_algorithms_verify(
    authority: Authority, kind: KeyKind, signature: SignatureKind, oid: str
) -> None:
    root = authority.root(key=kind)
    leaf = authority.server(root, signature=signature)
    assert leaf.x509.signature_algorithm_oid.dotted_string == oid
    verdict = openssl_verdict(leaf, root)
    if signature in ("sha1", "md5"):
        # OpenSSL checks the signature before it minds the hash.
        assert "signature failure" not in verdict
    else:
        assert verdict == "ok"


def test_version_1_has_no_extensions_and_a_sound_signature(authority: Authority) -> None:
    root = authority.root()
    leaf = authority.server(root, version_1=True)
    assert leaf.x509.version is x509.Version.v1
    assert len(leaf.x509.extensions) == 0
    leaf.x509.verify_directly_issued_by(root.x509)


def test_addresses_become_ip_names(authority: Authority) -> None:
    leaf = authority.server(authority.root(), names=["localhost", "127.0.0.1", "::1"]).x509
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    ]


def test_a_certificate_without_names(authority: Authority) -> None:
    leaf = authority.server(authority.root(), names=()).x509
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_the_chain_leaves_the_root_out(authority: Authority) -> None:
    root = authority.root()
    below = authority.intermediate(root)
    leaf = authority.server(below)
    assert leaf.chain == (leaf, below)
    assert authority.server(root).chain[1:] == ()
    assert root.chain == (root,)


def test_keys_are_made_once_for_a_slot() -> None:
    assert private_key("rsa-2048", "root") is private_key("rsa-2048", "root")
    assert private_key("rsa-2048", "root") is not private_key("rsa-2048", "server")


def test_serials_differ(authority: Authority) -> None:
    root = authority.root()
    assert authority.server(root).x509.serial_number != authority.server(root).x509.serial_number


def test_pem_holds_certificate_and_key(authority: Authority) -> None:
    leaf = authority.server(authority.root())
    assert x509.load_pem_x509_certificate(leaf.pem) == leaf.x509
    assert leaf.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 70000])
def test_der_lengths_come_back(size: int) -> None:
    element = _der.encode(0x04, b"\x05" * size)
    assert _der.inside(element) == b"\x05" * size
    assert list(_der.elements(element + element)) == [element, element]


def test_der_refuses_a_lying_length() -> None:
    with pytest.raises(ValueError, match="past the end"):
        list(_der.elements(b"\x30\x05\x01"))
