"""Reading certificates, and checking signatures in chains and handshakes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (
    dsa,
    ec,
    ed448,
    ed25519,
    padding,
    rsa,
    utils,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from analyzers.certificates import (
    read_certificate,
    signature_valid,
    verify_certificate_verify_tls12,
    verify_server_key_exchange,
)
from analyzers.x509.algorithms import PublicKey
from analyzers.x509.certificate import Certificate
from tests.certs import AT, DAY, NAME, Made, intermediate, key, make, root

TLS10, TLS12, TLS13 = 0x0301, 0x0303, 0x0304
CLIENT_RANDOM, SERVER_RANDOM, PARAMS = b"C" * 32, b"S" * 32, b"\x03\x00\x1d\x20" + b"P" * 32


def touch(certificate: Certificate) -> None:
    """Use everything a rule could use."""
    for name in dir(certificate):
        if not name.startswith("__"):
            getattr(certificate, name)
    hash(certificate)


def replaced(der: bytes, old: bytes, new: bytes) -> bytes:
    assert der.count(old) >= 1
    assert len(old) == len(new)
    return der.replace(old, new)


class TestReading:
    def test_the_facts_of_a_sound_leaf(self) -> None:
        ca = root()
        leaf = make(
            NAME,
            ca,
            kind="rsa2048",
            names=[NAME, "*.example.com", "192.0.2.7", "2001:db8::1", "URI:urn:x", "EMAIL:a@b.c"],
            usage=("digital_signature", "key_encipherment"),
            purposes=("serverAuth", "clientAuth", "1.2.3.4"),
            must_staple=True,
            ca_issuers="http://ca.example.com/ca.crt",
        ).read
        assert leaf.faults == ()
        assert leaf.subject == f"CN={NAME},O=Test"
        assert leaf.issuer == "CN=Test Root CA,O=Test"
        assert leaf.common_name == NAME
        assert (leaf.not_before, leaf.not_after) == (AT - 30 * DAY, AT + 365 * DAY)
        assert leaf.san == (
            f"DNS:{NAME}",
            "DNS:*.example.com",
            "IP:192.0.2.7",
            "IP:2001:db8::1",
            "URI:urn:x",
            "EMAIL:a@b.c",
        )
        assert (leaf.key.type, leaf.key.bits, leaf.key.curve) == ("RSA", 2048, None)
        assert leaf.key.label == "RSA 2048"
        assert leaf.signature_algorithm.name == "ecdsa-with-SHA256"
        assert leaf.signature_algorithm.hash == "sha256"
        assert leaf.version == 3
        assert leaf.is_ca is False
        assert leaf.key_usage == ("digitalSignature", "keyEncipherment")
        assert leaf.extended_key_usage == ("serverAuth", "clientAuth", "1.2.3.4")
        assert leaf.extensions.must_staple
        assert leaf.extensions.ca_issuer_urls == ("http://ca.example.com/ca.crt",)
        assert leaf.extensions.authority_key_id == ca.read.extensions.subject_key_id
        assert leaf.self_signed is False
        assert ca.read.self_signed is True
        assert leaf.sha256 == hashlib.sha256(leaf.der).hexdigest()

    @pytest.mark.parametrize(
        ("kind", "label", "algorithm"),
        [
            ("rsa2048", "RSA 2048", "sha256WithRSAEncryption"),
            ("p256", "EC secp256r1", "ecdsa-with-SHA256"),
            ("p384", "EC secp384r1", "ecdsa-with-SHA256"),
            ("p521", "EC secp521r1", "ecdsa-with-SHA256"),
            ("ed25519", "Ed25519", "Ed25519"),
            ("ed448", "Ed448", "Ed448"),
            ("dsa", "DSA 2048", "dsa-with-sha256"),
        ],
    )
    def test_keys_and_algorithms(self, kind: str, label: str, algorithm: str) -> None:
        made = make(kind=kind).read
        assert made.key.label == label
        assert made.signature_algorithm.name == algorithm
        assert made.self_signed is True
        assert made.faults == ()

    def test_rsa_pss_signature(self) -> None:
        made = make(kind="rsa2048", hash_name="SHA512", pss=True).read
        assert made.signature_algorithm.name == "rsassaPss(sha512)"
        assert (made.signature_algorithm.mgf_hash, made.signature_algorithm.salt_length) == (
            "sha512",
            64,
        )
        assert made.self_signed is True

    def test_an_unknown_key_keeps_its_number(self) -> None:
        der = replaced(
            make(kind="ed25519").der, bytes.fromhex("06032b6570"), b"\x06\x03\x2b\x0e\x70"
        )
        made = read_certificate(der)
        assert made.key.type == "1.3.14.112"
        assert made.self_signed is None

    def test_names_are_shown_and_never_obeyed(self) -> None:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ünïcode, Inc. + more"),
                x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b[2J\u202eb\x00c"),
            ]
        )
        made = make(name, names=["x.example.com"]).read
        assert made.subject.isprintable()
        assert made.subject == "CN=a\\x1b[2J\\u202eb\\x00c,O=Ünïcode\\, Inc. \\+ more"
        assert made.common_name == "a\\x1b[2J\\u202eb\\x00c"

    def test_the_same_bytes_give_the_same_object(self) -> None:
        der = make().der
        assert read_certificate(der) is read_certificate(bytes(bytearray(der)))

    def test_equality_is_that_of_the_bytes(self) -> None:
        large = make().der + bytes(70_000)
        assert read_certificate(large) is not read_certificate(large)
        assert read_certificate(large) == read_certificate(large)
        assert read_certificate(large) != read_certificate(make().der)

    def test_self_issued_is_not_self_signed(self) -> None:
        made = make(signer=key("p256", "somebody else")).read
        assert made.self_issued
        assert made.self_signed is False

    def test_version_3_without_basic_constraints_is_no_ca(self) -> None:
        assert make(ca=None).read.is_ca is False

    def test_distribution_points(self) -> None:
        value = bytes.fromhex("301b3019a017a0158613") + b"http://crl.example/"
        made = make(raw=[("2.5.29.31", False, value)]).read
        assert made.extensions.crl_urls == ("http://crl.example/",)


class TestBrokenCertificates:
    """What breaks RFC 5280 is named, and the rest is read."""

    def test_negative_serial(self) -> None:
        der = make().der
        at = der.index(b"\x02\x0f") + 2
        broken = der[:at] + b"\xff\x85" + der[at + 2 :]
        made = read_certificate(broken)
        assert made.serial.startswith("-")
        assert "tbsCertificate.serialNumber is negative" in made.faults
        assert made.common_name == NAME

    def test_bad_date(self) -> None:
        made = read_certificate(replaced(make().der, b"270517", b"271317"))
        assert made.not_after is None
        assert made.not_before == AT - 30 * DAY
        assert any("notAfter is no date" in fault for fault in made.faults)
        assert made.san == (f"DNS:{NAME}",)

    def test_bad_extension_alone_is_lost(self) -> None:
        made = make(raw=[("2.5.29.30", True, b"\x30\x05\xa0")]).read
        assert made.extensions.name_constraints is None
        assert made.san == (f"DNS:{NAME}",)
        assert any(fault.startswith("nameConstraints") for fault in made.faults)

    def test_names_before_a_broken_one_are_kept(self) -> None:
        value = b"\x30\x0e\x82\x05first\x87\x03abc\x82\x00"
        made = make(names=[], raw=[("2.5.29.17", False, value)]).read
        assert made.san == ("DNS:first",)
        assert any("IP address of 3 bytes" in fault for fault in made.faults)

    def test_a_cut_certificate_still_has_its_subject(self) -> None:
        der = make(NAME, root()).der
        made = read_certificate(der[:-40])
        assert made.common_name == NAME
        assert made.faults

    def test_algorithms_that_differ(self) -> None:
        der = make(kind="rsa2048").der
        sha256, sha512 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d01010d")
        at = der.rindex(sha256)
        made = read_certificate(der[:at] + sha512 + der[at + 9 :])
        assert not made.signature_algorithms_agree
        assert made.self_signed is False
        assert "signatureAlgorithm differs from tbsCertificate.signature" in made.faults

    def test_trailing_bytes(self) -> None:
        made = read_certificate(make().der + b"more")
        assert made.common_name == NAME
        assert any("followed by 4" in fault for fault in made.faults)

    @pytest.mark.parametrize(
        "der", [b"", b"\x30", b"\x30\x80", b"not a certificate", b"\x30\x84" * 9]
    )
    def test_no_certificate_at_all(self, der: bytes) -> None:
        made = read_certificate(der)
        touch(made)
        assert made.faults
        assert made.subject == ""
        assert made.called == "serial unknown"

    def test_cut_at_each_length_and_byte_by_byte(self) -> None:
        der = make(NAME, root(), permitted=["a.example"], must_staple=True).der
        for length in range(len(der)):
            made = read_certificate(der[:length])
            touch(made)
            assert made.faults

    @given(st.data())
    def test_mutated_certificates_never_raise(self, data: st.DataObject) -> None:
        der = bytearray(data.draw(st.sampled_from(SAMPLES)))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(der) - 1))
            der[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        made = read_certificate(bytes(der))
        touch(made)
        assert signature_valid(made, made) in (True, False, None)

    @given(st.binary(max_size=200))
    def test_arbitrary_bytes_never_raise(self, der: bytes) -> None:
        touch(read_certificate(der))


SAMPLES = [
    make(NAME, root(), permitted=["a.example"], names=[NAME, "192.0.2.1"]).der,
    make(kind="rsa2048", pss=True).der,
    make(kind="ed25519", must_staple=True, ca_issuers="http://x/").der,
]


class TestAgainstTheLibrary:
    """Where `cryptography` reads a certificate, both readers agree."""

    @pytest.mark.parametrize("der", SAMPLES)
    def test_same_facts(self, der: bytes) -> None:
        ours, theirs = read_certificate(der), x509.load_der_x509_certificate(der)
        assert ours.subject == theirs.subject.rfc4514_string()
        assert ours.issuer == theirs.issuer.rfc4514_string()
        assert int(ours.serial, 16) == theirs.serial_number
        assert ours.not_after is not None
        assert datetime.fromtimestamp(ours.not_after, UTC) == theirs.not_valid_after_utc
        assert ours.tbs == theirs.tbs_certificate_bytes
        assert ours.signature == theirs.signature
        assert ours.version == theirs.version.value + 1
        assert len(ours.extensions.present) == len(theirs.extensions)


class TestSignatures:
    @pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384", "p521", "ed25519", "ed448", "dsa"])
    @pytest.mark.parametrize("hash_name", ["SHA256", "SHA512"])
    def test_issued_by(self, kind: str, hash_name: str) -> None:
        ca = root(kind=kind, slot="ca")
        leaf = make(NAME, ca, hash_name=hash_name).read
        assert signature_valid(leaf, ca.read) is True
        other = root(kind=kind, slot="another ca")
        assert signature_valid(leaf, other.read) is False

    @pytest.mark.parametrize("pss", [False, True])
    def test_damaged(self, pss: bool) -> None:
        ca = root(kind="rsa2048")
        der = make(NAME, ca, pss=pss, hash_name="SHA512").der
        assert signature_valid(read_certificate(der), ca.read) is True
        assert signature_valid(read_certificate(der[:-1] + b"\x00"), ca.read) is False
        changed = replaced(der, NAME.encode(), NAME.upper().encode())
        assert signature_valid(read_certificate(changed), ca.read) is False

    def test_another_kind_of_key_did_not_sign(self) -> None:
        leaf = make(NAME, root()).read
        assert signature_valid(leaf, make(kind="rsa2048").read) is False

    def test_what_cannot_be_checked(self) -> None:
        leaf = make(NAME, root()).read
        assert signature_valid(leaf, read_certificate(b"")) is None
        assert signature_valid(read_certificate(b""), leaf) is None

    def test_a_monstrous_key_is_not_used(self) -> None:
        modulus = b"\x02\x82\x10\x01\x00" + b"\xff" * 4096
        numbers = b"\x30\x82\x10\x0a" + modulus + b"\x02\x03\x01\x00\x01"
        from analyzers.certificates import _verify
        from analyzers.x509.algorithms import read_public_key
        from analyzers.x509.der import DerReader

        algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
        bits = b"\x03\x82\x10\x0f\x00" + numbers
        spki = b"\x30\x82" + (len(algorithm + bits)).to_bytes(2, "big") + algorithm + bits
        public = read_public_key(DerReader(spki, "x").next("x"))
        assert public.bits == 4096 * 8
        assert _verify(public, make(kind="rsa2048").read.signature_algorithm, b"s", b"d") is None


def tls_signature(made: Made, scheme: int | None, data: bytes) -> bytes:
    """What a peer with this key sends for a scheme (RFC 5246 4.7, RFC 8446 4.2.3)."""
    private = made.key
    digest: dict[int, Callable[[], hashes.HashAlgorithm]] = {
        2: hashes.SHA1,
        4: hashes.SHA256,
        5: hashes.SHA384,
        6: hashes.SHA512,
    }
    if isinstance(private, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return private.sign(data)
    if isinstance(private, rsa.RSAPrivateKey):
        if scheme is None:
            both = hashlib.md5(data).digest() + hashlib.sha1(data).digest()
            return private.sign(both, padding.PKCS1v15(), utils.NoDigestInfo())
        if scheme >> 8 == 8:
            chosen = digest[scheme & 0xFF]()
            return private.sign(data, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)
        return private.sign(data, padding.PKCS1v15(), digest[scheme >> 8]())
    chosen = hashes.SHA1() if scheme is None else digest[scheme >> 8]()
    if isinstance(private, dsa.DSAPrivateKey):
        return private.sign(data, chosen)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return private.sign(data, ec.ECDSA(chosen))


KEY_EXCHANGES = [
    ("rsa2048", TLS12, 0x0401),
    ("rsa2048", TLS12, 0x0601),
    ("rsa2048", TLS12, 0x0201),
    ("rsa2048", TLS12, 0x0804),
    ("rsa2048", TLS12, 0x0806),
    ("rsa2048", TLS10, None),
    ("p256", TLS12, 0x0403),
    ("p384", TLS12, 0x0503),
    ("p256", TLS12, 0x0203),
    ("p256", TLS10, None),
    ("ed25519", TLS12, 0x0807),
    ("ed448", TLS12, 0x0808),
    ("dsa", TLS12, 0x0402),
    ("dsa", TLS10, None),
]


class TestHandshakeSignatures:
    @pytest.mark.parametrize(("kind", "version", "scheme"), KEY_EXCHANGES)
    def test_server_key_exchange(self, kind: str, version: int, scheme: int | None) -> None:
        made = make(kind=kind)
        signature = tls_signature(made, scheme, CLIENT_RANDOM + SERVER_RANDOM + PARAMS)

        def verify(leaf: Certificate, params: bytes) -> bool | None:
            return verify_server_key_exchange(
                leaf, CLIENT_RANDOM, SERVER_RANDOM, params, scheme, signature, version
            )

        assert verify(made.read, PARAMS) is True
        assert verify(made.read, PARAMS[:-1] + b"Q") is False
        wrong = make(kind="ed25519" if kind == "ed448" else "ed448").read
        assert verify(wrong, PARAMS) in (False, None)
        if kind.startswith("p"):
            assert verify(make(kind=kind, slot="another key").read, PARAMS) is False

    @pytest.mark.parametrize(("kind", "version", "scheme"), KEY_EXCHANGES)
    def test_certificate_verify(self, kind: str, version: int, scheme: int | None) -> None:
        made = make(kind=kind)
        signature = tls_signature(made, scheme, b"messages")

        def verify(messages: bytes) -> bool | None:
            return verify_certificate_verify_tls12(made.read, messages, scheme, signature, version)

        assert verify(b"messages") is True
        assert verify(b"massages") is False

    @pytest.mark.parametrize(
        ("scheme", "version"),
        [(0x0708, TLS12), (0x9999, TLS12), (None, TLS12), (0x0401, TLS13), (None, 0x0300)],
    )
    def test_cannot_be_checked(self, scheme: int | None, version: int) -> None:
        leaf = make(kind="rsa2048").read
        assert (
            verify_server_key_exchange(
                leaf, CLIENT_RANDOM, SERVER_RANDOM, PARAMS, scheme, b"x" * 256, version
            )
            is None
        )

    def test_scheme_for_another_key(self) -> None:
        """A broker that loads an EC certificate with an RSA key, or the reverse."""
        signature = tls_signature(make(kind="p256"), 0x0403, CLIENT_RANDOM + SERVER_RANDOM + PARAMS)
        leaf = make(kind="rsa2048").read
        assert (
            verify_server_key_exchange(
                leaf, CLIENT_RANDOM, SERVER_RANDOM, PARAMS, 0x0403, signature, TLS12
            )
            is False
        )

    @given(st.binary(max_size=300), st.integers(0, 0xFFFF), st.integers(0x0300, 0x0304))
    def test_never_raises(self, signature: bytes, scheme: int, version: int) -> None:
        for kind in ("rsa2048", "p256", "ed25519"):
            result = verify_server_key_exchange(
                make(kind=kind).read,
                CLIENT_RANDOM,
                SERVER_RANDOM,
                PARAMS,
                scheme,
                signature,
                version,
            )
            assert result in (False, None)


def test_pem_of_the_builder_is_read_the_same() -> None:
    made = intermediate(root())
    again = x509.load_pem_x509_certificate(made.certificate.public_bytes(Encoding.PEM))
    assert read_certificate(again.public_bytes(Encoding.DER)) == made.read


@pytest.mark.parametrize(
    ("bits", "exponent", "verifies"),
    [
        (16_384, 65_537, False),
        (16_384, (1 << 63) + 1, None),
        (4096, (1 << 63) + 1, False),
        (16_385, 65_537, None),
        (2048, (1 << 64) + 1, None),
    ],
)
def test_keys_that_cost_too_much_are_not_used(
    bits: int, exponent: int, verifies: bool | None
) -> None:
    key = PublicKey(
        type="RSA",
        bits=bits,
        curve=None,
        der=b"",
        modulus=(1 << (bits - 1)) + 1,
        exponent=exponent,
    )
    signed = root(f"Costly {bits} {exponent}", kind="rsa2048")
    assert signature_valid(signed.read, replace(signed.read, key=key)) is verifies
