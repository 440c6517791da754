"""Judging chains: each defect with a near miss, and never an exception."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from analyzers.certificates import read_certificate
from analyzers.trust import (
    KINDS,
    MAX_CHAIN,
    ChainJudgement,
    Defect,
    judge_chain,
    leaf_matches_offer,
)
from analyzers.x509.defects import moment, span
from analyzers.x509.names import read_distinguished_name
from tests.certs import AT, DAY, NAME, Made, intermediate, key, make, name, root

Role = Literal["server", "client"]
ROOT = root()
ISSUING = intermediate(ROOT)
LEAF = make(NAME, ISSUING)


def judge(
    *sent: Made,
    role: Role = "server",
    wanted: str | None = NAME,
    anchors: Sequence[Made] | None = (ROOT,),
    **more: object,
) -> ChainJudgement:
    return judge_chain(
        [made.read for made in sent],
        at=AT,
        role=role,
        name=wanted,
        trust_anchors=None if anchors is None else tuple(made.der for made in anchors),
        **more,  # type: ignore[arg-type]  # passed on as they are
    )


def only(judgement: ChainJudgement) -> Defect:
    assert len(judgement.defects) == 1, judgement.defects
    return judgement.defects[0]


def verdict(judgement: ChainJudgement) -> tuple[str, str, int | None, str]:
    defect = judgement.first()
    assert defect is not None
    return defect.kind, defect.reason, defect.index, defect.certainty


class TestSound:
    def test_nothing_is_wrong(self) -> None:
        judgement = judge(LEAF, ISSUING)
        assert judgement.defects == ()
        assert judgement.anchored is True
        assert judgement.signatures == (True, True)
        assert [link.index for link in judgement.path] == [0, 1, None]
        for kind in (
            "bad-signature",
            "expired",
            "not-yet-valid",
            "name-mismatch",
            "unknown-ca",
            "wrong-eku",
            "wrong-key-usage",
            "weak-key",
            "weak-signature",
            "chain-order",
        ):
            assert judgement.ruled_out(kind) is not None, kind

    def test_with_the_root_sent_too(self) -> None:
        judgement = judge(LEAF, ISSUING, ROOT)
        assert judgement.defects == ()
        assert judgement.signatures == (True, True, True)

    def test_without_anchors_only_trust_is_open(self) -> None:
        judgement = judge(make(NAME, ROOT), anchors=None)
        defect = only(judgement)
        assert (defect.kind, defect.certainty) == ("unknown-ca", "possible")
        assert judgement.anchored is None
        assert judgement.signatures == (None,)

    def test_an_intermediate_may_be_the_anchor(self) -> None:
        assert judge(LEAF, anchors=[ISSUING]).defects == ()

    def test_a_pinned_self_signed_leaf(self) -> None:
        leaf = make(NAME)
        assert judge(leaf, anchors=[leaf]).defects == ()

    def test_a_renewed_root_with_the_same_key_is_the_same_anchor(self) -> None:
        old = root(ends=-DAY)
        judgement = judge(LEAF, ISSUING, anchors=[old, ROOT])
        assert judgement.anchored is True

    def test_no_certificate(self) -> None:
        judgement = judge()
        assert (judgement.defects, judgement.path, judgement.anchored) == ((), (), None)
        assert judgement.first() is None


class TestTrust:
    def test_unknown_ca(self) -> None:
        other = root("Other Root CA")
        assert verdict(judge(make(NAME, other))) == (
            "unknown-ca",
            "issuer-not-trusted",
            0,
            "certain",
        )
        assert verdict(judge(make(NAME, other), other)) == ("unknown-ca", "root-sent", 1, "certain")

    @pytest.mark.parametrize(("anchors", "certainty"), [(None, "likely"), ([ROOT], "certain")])
    def test_self_signed(self, anchors: list[Made] | None, certainty: str) -> None:
        judgement = judge(make(NAME), anchors=anchors)
        assert verdict(judgement) == ("self-signed", "leaf", 0, certainty)
        assert judgement.first("unknown-ca") is None

    def test_the_same_name_for_ca_and_leaf(self) -> None:
        ca = root(NAME, slot="ca")
        leaf = make(NAME, ca, slot="leaf", key_ids=False)
        for anchors in (None, [ca]):
            assert verdict(judge(leaf, anchors=anchors)) == (
                "self-signed",
                "same-name-as-issuer",
                0,
                "likely",
            )

    def test_key_ids_tell_two_certificates_of_one_name_apart(self) -> None:
        ca = root(NAME, slot="ca")
        leaf = make(NAME, ca, slot="leaf")
        assert judge(leaf, anchors=[ca]).defects == ()
        assert "unknown-ca" in [d.kind for d in judge(leaf, anchors=None).defects]

    @pytest.mark.parametrize(
        ("made", "kind", "certainty"),
        [
            (make(NAME, ISSUING), "missing-intermediate", "likely"),
            (make(NAME, intermediate(ROOT, "Site A")), "missing-intermediate", "possible"),
            (
                make(NAME, intermediate(ROOT, "Site A"), ca_issuers="http://ca/"),
                "missing-intermediate",
                "likely",
            ),
            (
                make(
                    NAME,
                    intermediate(ROOT, "Site A"),
                    key_ids=False,
                    authority_issuer=ROOT.certificate.subject,
                ),
                "missing-intermediate",
                "likely",
            ),
            (
                make(
                    NAME,
                    root("Site B"),
                    key_ids=False,
                    authority_issuer=name("Site B"),
                ),
                "unknown-ca",
                "possible",
            ),
            (make(NAME, root("Site Root CA")), "unknown-ca", "possible"),
        ],
    )
    def test_what_the_leaf_says_of_its_issuer(self, made: Made, kind: str, certainty: str) -> None:
        judgement = judge(made, anchors=None)
        defect = judgement.first()
        assert defect is not None
        assert (defect.kind, defect.certainty) == (kind, certainty)
        assert judgement.first("unknown-ca") is not None

    def test_the_wrong_intermediate_was_sent(self) -> None:
        stranger = intermediate(ROOT, "Another Issuing CA")
        judgement = judge(make(NAME, intermediate(ROOT, "Site A")), stranger, anchors=None)
        assert verdict(judgement)[0] == "missing-intermediate"
        assert "other CA certificates were sent" in judgement.defects[0].detail
        assert judgement.signatures == (None, None)

    def test_missing_intermediate_with_anchors(self) -> None:
        judgement = judge(LEAF)
        assert [d.kind for d in judgement.defects] == ["missing-intermediate", "unknown-ca"]
        assert judgement.anchored is False


class TestAuthorities:
    """A server's CertificateRequest names the CAs whose certificates it takes."""

    DEVICE = make("device-1", ROOT, purposes=("clientAuth",))

    def test_listed(self) -> None:
        judgement = judge(
            self.DEVICE,
            role="client",
            anchors=None,
            authorities=[read_distinguished_name(ROOT.certificate.subject.public_bytes())],
        )
        assert judgement.defects == ()
        assert judgement.ruled_out("unknown-ca") is not None

    def test_not_listed(self) -> None:
        judgement = judge(
            self.DEVICE,
            role="client",
            anchors=None,
            authorities=[
                read_distinguished_name(der)
                for der in (name("Other CA", "Other").public_bytes(), b"broken")
            ],
        )
        assert verdict(judgement) == ("unknown-ca", "issuer-not-trusted", 0, "likely")

    def test_an_empty_list_says_nothing(self) -> None:
        judgement = judge(self.DEVICE, role="client", anchors=None)
        assert verdict(judgement)[3] == "possible"

    def test_an_intermediate_of_a_listed_root_is_missing(self) -> None:
        device = make("device-1", intermediate(ROOT, "Site A"), purposes=("clientAuth",))
        judgement = judge(
            device,
            role="client",
            anchors=None,
            authorities=[read_distinguished_name(ROOT.certificate.subject.public_bytes())],
        )
        assert verdict(judgement)[0] == "missing-intermediate"

    def test_the_name_of_a_client_is_not_checked(self) -> None:
        assert judge(self.DEVICE, role="client", wanted=NAME).defects == ()


class TestSignature:
    def test_an_impostor_of_the_sent_ca(self) -> None:
        leaf = make(NAME, ROOT, signer=key("p256", "impostor"), key_ids=False)
        for anchors in (None, [ROOT]):
            judgement = judge(leaf, ROOT, anchors=anchors)
            assert verdict(judgement) == ("bad-signature", "not-verified", 0, "certain")
            assert judgement.signatures == (False, True)
            assert judgement.first("unknown-ca") is None
            assert "Test Root CA" in judgement.defects[0].detail

    def test_a_ca_made_anew_under_the_old_name(self) -> None:
        renewed = root(slot="renewed")
        judgement = judge(make(NAME, renewed), ROOT, anchors=None)
        assert verdict(judgement) == ("bad-signature", "other-issuer-key", 0, "likely")
        assert judgement.first("unknown-ca") is not None
        assert verdict(judge(make(NAME, renewed)))[3] == "certain"

    def test_two_cas_of_one_name(self) -> None:
        """Near miss: the right one is there too."""
        renewed = root(slot="renewed")
        leaf = make(NAME, renewed, key_ids=False)
        judgement = judge(leaf, ROOT, renewed, anchors=[renewed])
        assert judgement.first("bad-signature") is None
        assert judgement.signatures[0] is True

    def test_damaged_intermediate(self) -> None:
        bad = ISSUING.der[:-1] + bytes([ISSUING.der[-1] ^ 1])
        judgement = judge_chain(
            [LEAF.read, read_certificate(bad)],
            at=AT,
            role="server",
            trust_anchors=(ROOT.der,),
        )
        assert verdict(judgement) == ("bad-signature", "not-verified", 1, "certain")
        assert judgement.anchored is False

    def test_damaged_self_signed(self) -> None:
        bad = ROOT.der[:-1] + bytes([ROOT.der[-1] ^ 1])
        judgement = judge_chain([read_certificate(bad)], at=AT, role="server")
        assert verdict(judgement) == ("bad-signature", "own-key", 0, "certain")

    def test_algorithms_that_differ(self) -> None:
        ca = root(kind="rsa2048")
        der = make(NAME, ca).der
        oid = bytes.fromhex("2a864886f70d01010b")
        at = der.rindex(oid)
        broken = read_certificate(der[:at] + oid[:-1] + b"\x0d" + der[at + 9 :])
        judgement = judge_chain([broken, ca.read], at=AT, role="server")
        assert verdict(judgement) == ("bad-signature", "algorithms-differ", 0, "certain")


class TestDates:
    def test_expired(self) -> None:
        judgement = judge(make(NAME, ROOT, ends=-3 * DAY))
        assert verdict(judgement) == ("expired", "expired", 0, "certain")
        assert "expired on 2026-05-14 12:00:00 UTC, 3 days before" in judgement.defects[0].detail

    def test_not_yet_valid(self) -> None:
        judgement = judge(make(NAME, ROOT, starts=3600))
        assert verdict(judgement) == ("not-yet-valid", "not-yet-valid", 0, "certain")
        assert "1 hour after" in judgement.defects[0].detail

    @pytest.mark.parametrize("ends", [0.0, 1.0])
    def test_the_last_second_is_valid(self, ends: float) -> None:
        assert judge(make(NAME, ROOT, ends=ends)).defects == ()

    def test_clocks_may_differ(self) -> None:
        assert judge(make(NAME, ROOT, ends=-60), clock_tolerance=120.0).defects == ()
        assert judge(make(NAME, ROOT, starts=60), clock_tolerance=120.0).defects == ()

    def test_intermediate(self) -> None:
        old = intermediate(ROOT, ends=-DAY)
        judgement = judge(make(NAME, old), old)
        assert verdict(judgement) == ("intermediate-expired", "expired", 1, "certain")

    def test_root(self) -> None:
        old = root(ends=-DAY)
        leaf = make(NAME, old)
        assert verdict(judge(leaf, anchors=[old])) == ("root-expired", "expired", None, "certain")
        assert verdict(judge(leaf, old, anchors=None)) == ("root-expired", "expired", 1, "likely")


class TestName:
    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            ("broker.example.com", ["broker.example.com"]),
            ("BROKER.example.com.", ["broker.EXAMPLE.com"]),
            ("broker.example.com", ["*.example.com"]),
            ("bücher.example.com", ["xn--bcher-kva.example.com"]),
            ("192.0.2.1", ["192.0.2.1"]),
            ("[2001:db8::1]", ["2001:db8:0::1"]),
            ("my_broker", ["my_broker"]),
        ],
    )
    def test_fits(self, wanted: str, names: list[str]) -> None:
        judgement = judge(make("x", ROOT, names=names), wanted=wanted)
        assert judgement.defects == ()
        assert judgement.ruled_out("name-mismatch") is not None

    @pytest.mark.parametrize(
        ("wanted", "names", "reason", "certainty"),
        [
            ("localhost", ["broker.example.com"], "different", "likely"),
            ("example.com", ["*.example.com"], "wildcard-depth", "likely"),
            ("a.b.example.com", ["*.example.com"], "wildcard-depth", "likely"),
            ("broker7.example.com", ["broker*.example.com"], "wildcard-partial", "possible"),
            ("broker.local", ["*.local"], "wildcard-too-wide", "possible"),
            ("a.example.com", ["a.*.com"], "different", "likely"),
            ("192.0.2.1", ["192.0.2.2"], "ip-not-listed", "likely"),
            ("192.0.2.1", ["DNS:192.0.2.1"], "ip-as-dns-name", "likely"),
            ("cn.example.com", ["URI:urn:x"], "cn-only", "possible"),
            ("cn.example.com", ["other.example.com"], "different", "likely"),
            ("other.example.com", [], "no-names", "likely"),
            ("cn.example.com", [], "cn-only", "possible"),
        ],
    )
    def test_does_not_fit(self, wanted: str, names: list[str], reason: str, certainty: str) -> None:
        judgement = judge(make("cn.example.com", ROOT, names=names), wanted=wanted)
        defect = only(judgement)
        assert (defect.kind, defect.reason) == ("name-mismatch", reason)
        assert defect.certainty == certainty
        assert wanted in defect.detail or reason == "no-names"

    def test_an_address_as_common_name(self) -> None:
        judgement = judge(make("192.0.2.1", ROOT, names=[]), wanted="192.0.2.1")
        assert only(judgement).reason == "cn-only"

    def test_many_names_are_not_all_listed(self) -> None:
        names = [f"n{i}.example.com" for i in range(40)]
        detail = only(judge(make("x", ROOT, names=names), wanted="m.example.com")).detail
        assert detail.endswith("and 35 more")

    def test_strangers_text_stays_printable(self) -> None:
        value = b"\x30\x0b\x82\x09\x1b[2J\x00.com"
        made = make("x", ROOT, names=[], raw=[("2.5.29.17", False, value)])
        detail = only(judge(made, wanted="\x1b[31m")).detail
        assert detail.isprintable()

    def test_without_a_name_nothing_is_said(self) -> None:
        judgement = judge(LEAF, ISSUING, wanted=None)
        assert judgement.ruled_out("name-mismatch") is None


class TestPurpose:
    @pytest.mark.parametrize(
        ("role", "purposes", "kind"),
        [
            ("server", ("clientAuth",), "wrong-eku"),
            ("client", ("serverAuth",), "wrong-eku"),
            ("server", ("codeSigning",), "wrong-eku"),
            ("server", ("serverAuth", "clientAuth"), None),
            ("server", None, None),
        ],
    )
    def test_extended_key_usage(
        self, role: Role, purposes: tuple[str, ...] | None, kind: str | None
    ) -> None:
        judgement = judge(make(NAME, ROOT, purposes=purposes), role=role)
        assert [d.kind for d in judgement.defects] == ([kind] if kind else [])
        assert (judgement.ruled_out("wrong-eku") is None) == (kind is not None)

    def test_any_purpose_is_not_enough_for_all(self) -> None:
        judgement = judge(make(NAME, ROOT, purposes=("any",)))
        assert verdict(judgement) == ("wrong-eku", "any-only", 0, "possible")

    @pytest.mark.parametrize(
        ("usage", "key_exchange", "certainty"),
        [
            (("crl_sign",), "unknown", "certain"),
            (("key_encipherment",), "signature", "likely"),
            (("digital_signature",), "rsa", "likely"),
            (("key_encipherment",), "rsa", None),
            (("key_encipherment",), "unknown", None),
            (("digital_signature",), "signature", None),
            (None, "signature", None),
        ],
    )
    def test_key_usage(
        self, usage: tuple[str, ...] | None, key_exchange: str, certainty: str | None
    ) -> None:
        judgement = judge(make(NAME, ROOT, usage=usage), key_exchange=key_exchange)
        found = judgement.first("wrong-key-usage")
        assert (found.certainty if found else None) == certainty
        assert len(judgement.defects) == (certainty is not None)

    def test_a_client_must_sign(self) -> None:
        device = make("device", ROOT, usage=("key_encipherment",), purposes=("clientAuth",))
        assert verdict(judge(device, role="client"))[:2] == (
            "wrong-key-usage",
            "missing-digitalSignature",
        )

    def test_an_intermediate_limited_to_other_purposes(self) -> None:
        narrow = intermediate(ROOT, purposes=("clientAuth",))
        assert verdict(judge(make(NAME, narrow), narrow)) == (
            "wrong-eku",
            "issuer-limits-purposes",
            1,
            "likely",
        )

    def test_a_ca_certificate_as_leaf(self) -> None:
        made = make(NAME, ROOT, ca=True, usage=("digital_signature", "key_cert_sign"), names=[NAME])
        assert verdict(judge(made)) == ("wrong-key-usage", "ca-as-leaf", 0, "possible")

    @pytest.mark.parametrize(("stapled", "found"), [(None, 0), (True, 0), (False, 1)])
    def test_must_staple(self, stapled: bool | None, found: int) -> None:
        judgement = judge(make(NAME, ROOT, must_staple=True), stapled=stapled)
        assert [d.kind for d in judgement.defects] == ["revocation-unchecked"] * found


class TestStrength:
    @pytest.mark.parametrize(("kind", "weak"), [("rsa1024", True), ("rsa2048", False)])
    def test_rsa(self, kind: str, weak: bool) -> None:
        judgement = judge(make(NAME, ROOT, kind=kind))
        assert [d.kind for d in judgement.defects] == ["weak-key"] * weak

    def test_dsa(self) -> None:
        assert only(judge(make(NAME, ROOT, kind="dsa"))).reason == "dsa"

    def test_small_curve(self) -> None:
        leaf = make(NAME, ROOT).read
        small = replace(leaf, key=replace(leaf.key, bits=192, curve="secp192r1"))
        judgement = judge_chain([small], at=AT, role="server", trust_anchors=(ROOT.der,))
        assert verdict(judgement) == ("weak-key", "short", 0, "likely")

    def test_weak_hash(self) -> None:
        ca = root(kind="rsa2048")
        leaf = make(NAME, ca).read
        for algorithm in ("md5", "sha1"):
            weak = replace(
                leaf, signature_algorithm=replace(leaf.signature_algorithm, hash=algorithm)
            )
            judgement = judge_chain([weak], at=AT, role="server")
            found = judgement.first("weak-signature")
            assert found is not None
            assert (found.reason, found.index) == (algorithm, 0)

    def test_nobody_verifies_the_hash_of_a_root(self) -> None:
        top = ROOT.read
        weak = replace(top, signature_algorithm=replace(top.signature_algorithm, hash="sha1"))
        judgement = judge_chain([make(NAME, ROOT).read, weak], at=AT, role="server")
        assert judgement.first("weak-signature") is None


class TestIssuers:
    @pytest.mark.parametrize(
        ("odd", "reason"),
        [
            ({"ca": False}, "not-a-ca"),
            ({"ca": None}, "no-basic-constraints"),
            ({"usage": ("digital_signature",)}, "no-key-cert-sign"),
        ],
    )
    def test_not_a_ca(self, odd: dict[str, object], reason: str) -> None:
        middle = make("Fake Issuing CA", ROOT, **{"ca": True, **odd})  # type: ignore[arg-type]
        judgement = judge(make(NAME, middle), middle)
        assert (verdict(judgement)[0], verdict(judgement)[1]) == ("issuer-not-ca", reason)
        assert judgement.defects[0].index == 1

    @pytest.mark.parametrize(("allowed", "broken"), [(0, True), (1, False)])
    def test_path_length(self, allowed: int, broken: bool) -> None:
        top = root("Short Root", path_length=allowed)
        middle = intermediate(top)
        judgement = judge(make(NAME, middle), middle, anchors=[top])
        assert [d.reason for d in judgement.defects] == ["path-length"] * broken

    @pytest.mark.parametrize(
        ("permitted", "excluded", "leaf_names", "broken"),
        [
            (["example.com"], [], ["broker.example.com"], False),
            (["example.com"], [], ["broker.example.org"], True),
            (["example.com"], [], ["badexample.com"], True),
            ([".example.com"], [], ["a.b.example.com"], False),
            ([], ["broker.example.com"], ["broker.example.com"], True),
            ([], ["example.org"], ["broker.example.com"], False),
            (["192.0.2.0/24"], [], ["192.0.2.9"], False),
            (["192.0.2.0/24"], [], ["198.51.100.9"], True),
            (["192.0.2.0/24"], [], ["2001:db8::1"], True),
            (["192.0.2.0/24"], [], ["broker.example.com"], False),
            (["O=Test"], [], ["x"], False),
            (["O=Other"], [], ["x"], True),
            (["@example.com"], [], ["EMAIL:a@example.com"], False),
            (["@example.com"], [], ["EMAIL:a@b.example.com"], True),
            (["@.example.com"], [], ["EMAIL:a@b.example.com"], False),
            (["@.example.com"], [], ["EMAIL:a@example.com"], True),
            (["@.example.com", "@a@example.com"], [], ["EMAIL:A@Example.com"], False),
            (["2001:db8::/32"], [], ["2001:db8:1::1"], False),
            (["192.0.2.0/24", "198.51.100.0/25"], [], ["198.51.100.200"], True),
            ([], ["192.0.2.0/24", "0.0.0.0/0"], ["198.51.100.200"], True),
            (["example.com", "example.org"], [], ["EXAMPLE.org."], False),
            (["O=Other", "O=Test"], [], ["x"], False),
        ],
    )
    def test_name_constraints(
        self, permitted: list[str], excluded: list[str], leaf_names: list[str], broken: bool
    ) -> None:
        narrow = intermediate(ROOT, "Constrained CA", permitted=permitted, excluded=excluded)
        judgement = judge(make("x", narrow, names=leaf_names), narrow, wanted=None)
        assert [d.kind for d in judgement.defects] == ["name-constraints"] * broken
        assert (judgement.ruled_out("name-constraints") is None) == broken

    def test_unknown_critical_extension(self) -> None:
        leaf = make(NAME, ROOT, unknown_critical="1.3.6.1.4.1.55555.1")
        defect = only(judge(leaf))
        assert (defect.kind, defect.certainty) == ("unknown-critical-extension", "certain")
        assert "1.3.6.1.4.1.55555.1" in defect.detail

    def test_known_critical_extension(self) -> None:
        assert judge(LEAF, ISSUING).first("unknown-critical-extension") is None

    def test_version_1(self) -> None:
        leaf, middle = make(NAME, ROOT).read, ISSUING.read
        old = replace(leaf, version=1)
        judgement = judge_chain([old], at=AT, role="server", trust_anchors=(ROOT.der,))
        assert verdict(judgement) == ("x509-version-1", "leaf", 0, "possible")
        judgement = judge_chain(
            [LEAF.read, replace(middle, version=1)],
            at=AT,
            role="server",
            trust_anchors=(ROOT.der,),
        )
        assert verdict(judgement) == ("x509-version-1", "issuer", 1, "certain")


class TestOrder:
    def test_leaf_not_first(self) -> None:
        judgement = judge(ISSUING, LEAF)
        assert verdict(judgement) == ("chain-order", "leaf-not-first", 1, "certain")
        assert judgement.first("name-mismatch") is None
        assert judgement.signatures == (True, True)
        assert [link.index for link in judgement.path] == [1, 0, None]
        assert judgement.anchored is True

    def test_the_faults_of_a_leaf_that_is_not_first(self) -> None:
        late = make(NAME, ISSUING, ends=-DAY)
        judgement = judge(ISSUING, late)
        found = judgement.first("expired")
        assert found is not None
        assert (found.index, judgement.first("intermediate-expired")) == (1, None)

    def test_shuffled(self) -> None:
        low = intermediate(ISSUING, "Low Issuing CA")
        judgement = judge(make(NAME, low), ISSUING, low)
        assert verdict(judgement) == ("chain-order", "shuffled", None, "possible")
        assert judgement.anchored is True

    def test_unrelated(self) -> None:
        judgement = judge(LEAF, ISSUING, root("Stranger"))
        assert verdict(judgement) == ("chain-order", "unrelated", 2, "possible")

    def test_twice(self) -> None:
        judgement = judge(LEAF, ISSUING, ISSUING)
        assert verdict(judgement) == ("chain-order", "duplicate", 2, "possible")

    def test_a_flood_of_certificates_is_cut(self) -> None:
        judgement = judge(LEAF, *[ISSUING] * 100)
        assert len(judgement.signatures) == MAX_CHAIN


class TestOffer:
    @pytest.mark.parametrize(
        ("kind", "offered", "version", "fits"),
        [
            ("rsa2048", (0x0804,), 0x0304, True),
            ("rsa2048", (0x0401, 0x0403), 0x0304, False),
            ("rsa2048", (0x0401,), 0x0303, True),
            ("rsa2048", (0x0403, 0x0503), 0x0303, False),
            ("rsa2048", (), 0x0303, True),
            ("rsa2048", (0x0403,), 0x0302, None),
            ("p256", (0x0403,), 0x0304, True),
            ("p256", (0x0804, 0x0401), 0x0304, False),
            ("p384", (0x0403,), 0x0304, False),
            ("p384", (0x0403,), 0x0303, True),
            ("ed25519", (0x0403, 0x0807), 0x0304, True),
            ("ed25519", (0x0403,), 0x0303, False),
            ("dsa", (0x0402,), 0x0303, True),
            ("dsa", (0x0402,), 0x0304, None),
        ],
    )
    def test_key(
        self, kind: str, offered: tuple[int, ...], version: int, fits: bool | None
    ) -> None:
        match = leaf_matches_offer(
            [make(NAME, kind=kind).read], signature_algorithms=offered, version=version
        )
        assert match.key is fits
        assert match.fits is (fits is not False)
        assert len(match.details) == (fits is False)

    @pytest.mark.parametrize(
        ("kind", "suites", "fits"),
        [
            ("p256", (0xC02F,), False),
            ("p256", (0xC02B,), True),
            ("rsa2048", (0xC02F,), True),
            ("rsa2048", (0xC02B, 0x1301), False),
            ("rsa2048", (0x1301,), None),
        ],
    )
    def test_suites(self, kind: str, suites: tuple[int, ...], fits: bool | None) -> None:
        match = leaf_matches_offer(
            [make(NAME, kind=kind).read],
            signature_algorithms=(0x0401, 0x0403),
            version=0x0303,
            suites=suites,
        )
        assert match.suites is fits

    def test_static_rsa_signs_nothing(self) -> None:
        match = leaf_matches_offer(
            [make(NAME, kind="rsa2048").read],
            signature_algorithms=(0x0403,),
            version=0x0303,
            suites=(0x009C,),
        )
        assert match.key is None
        assert match.fits

    @pytest.mark.parametrize(
        ("groups", "fits"), [((0x17,), True), ((0x1D, 0x18), False), ((), None)]
    )
    def test_group_of_an_ec_key(self, groups: tuple[int, ...], fits: bool | None) -> None:
        chain = [make(NAME, kind="p256").read]
        match = leaf_matches_offer(
            chain, signature_algorithms=(0x0403,), version=0x0303, groups=groups
        )
        assert match.group is fits
        tls13 = leaf_matches_offer(
            chain, signature_algorithms=(0x0403,), version=0x0304, groups=groups
        )
        assert tls13.group is None

    def test_signatures_in_the_chain(self) -> None:
        ca = root(kind="rsa2048")
        chain = [make(NAME, ca, pss=True, hash_name="SHA512").read, ca.read]
        match = leaf_matches_offer(
            chain, signature_algorithms=(0x0403, 0x0804, 0x0401), version=0x0304
        )
        assert match.chain is False
        assert "rsassaPss(sha512)" in match.details[0]
        assert match.fits
        again = leaf_matches_offer(
            chain,
            signature_algorithms=(0x0403,),
            signature_algorithms_cert=(0x0806,),
            version=0x0304,
        )
        assert again.chain is True

    def test_no_certificate(self) -> None:
        match = leaf_matches_offer([], signature_algorithms=(0x0403,), version=0x0304)
        assert (match.key, match.chain, match.details) == (None, None, ())


SENT = [made.der for made in (LEAF, ISSUING, ROOT, make(NAME), root("Other"))]


class TestNeverRaises:
    @given(st.data())
    def test_any_list(self, data: st.DataObject) -> None:
        chain = []
        for _ in range(data.draw(st.integers(0, 5))):
            der = bytearray(data.draw(st.sampled_from(SENT)))
            if data.draw(st.booleans()):
                at = data.draw(st.integers(0, len(der) - 1))
                der[at : at + 1] = data.draw(st.binary(max_size=2))
            chain.append(read_certificate(bytes(der)))
        anchors = data.draw(st.sampled_from([None, (), (ROOT.der,), (b"junk", ISSUING.der)]))
        judgement = judge_chain(
            chain,
            at=data.draw(st.floats(-1e15, 1e15)),
            role=data.draw(st.sampled_from(["server", "client"])),
            name=data.draw(st.none() | st.text(max_size=30)),
            trust_anchors=anchors,
            authorities=[
                read_distinguished_name(der)
                for der in data.draw(st.lists(st.binary(max_size=20), max_size=2))
            ],
        )
        assert len(judgement.signatures) == len(chain)
        for defect in judgement.defects:
            assert defect.kind in KINDS
            assert defect.index is None or 0 <= defect.index < len(chain)
            assert defect.detail.isprintable()
            assert not defect.detail.endswith(".")
        for passed in judgement.passed:
            assert set(passed.kinds) <= set(KINDS)
        ranks = [defect.rank for defect in judgement.defects]
        assert ranks == sorted(ranks)
        leaf_matches_offer(
            chain,
            signature_algorithms=data.draw(st.lists(st.integers(0, 0xFFFF), max_size=4)),
            groups=data.draw(st.lists(st.integers(0, 0xFFFF), max_size=4)),
            suites=data.draw(st.lists(st.integers(0, 0xFFFF), max_size=4)),
            version=data.draw(st.integers(0x0300, 0x0304)),
        )

    def test_judging_is_pure(self) -> None:
        assert judge(LEAF, ISSUING) == judge(LEAF, ISSUING)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "1 second"), (59, "59 seconds"), (60, "1 minute"), (7300, "2 hours"), (90_000, "1 day")],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_moment_out_of_range() -> None:
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert moment(1e18) == "a date out of range"


def test_anchors_are_der() -> None:
    pem = ROOT.certificate.public_bytes(Encoding.PEM)
    judgement = judge_chain([LEAF.read, ISSUING.read], at=AT, role="server", trust_anchors=(pem,))
    assert judgement.anchored is False
