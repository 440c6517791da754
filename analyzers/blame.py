"""Which fault of a certificate made the other side leave.

The chain's own faults come first: an alert's name only chooses among them, because the
same fault gives different alerts on different stacks. Where the chain is not visible
(TLS 1.3) the alert is all there is, and what it says is likely at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analyzers.finding import Certainty
from analyzers.texts import Meaning
from analyzers.x509.defects import KINDS, Defect

ALERT_KINDS: dict[int, tuple[str, ...]] = {
    40: ("name-mismatch", "wrong-eku", "weak-signature", "weak-key"),
    42: (
        "name-mismatch",
        "not-yet-valid",
        "weak-signature",
        "weak-key",
        "bad-signature",
        "unknown-critical-extension",
        "name-constraints",
        "x509-version-1",
        "wrong-eku",
        "chain-order",
        "revocation-unchecked",
    ),
    43: ("wrong-eku", "wrong-key-usage", "weak-key", "x509-version-1"),
    44: ("revoked",),
    45: ("expired", "intermediate-expired", "root-expired", "not-yet-valid"),
    46: ("weak-signature", "weak-key", "wrong-eku", "not-yet-valid", "revocation-unchecked"),
    47: ("wrong-key-usage",),
    48: (
        "unknown-ca",
        "self-signed",
        "missing-intermediate",
        "issuer-not-ca",
        "bad-signature",
        "name-constraints",
    ),
    51: ("bad-signature", "wrong-key"),
    80: ("name-mismatch",),
    111: ("revocation-unchecked",),
    113: ("revocation-unchecked",),
}
"""Alert description -> faults that stacks report with it, the usual one first.

OpenSSL's table of verification errors, Mbed TLS, Go, JSSE, GnuTLS, NSS, BoringSSL,
rustls, Erlang/OTP and wolfSSL as recorded; libmosquitto says internal_error (80) for a
name mismatch, Erlang handshake_failure (40) for name and EKU.
"""

_SURE: tuple[Certainty, ...] = ("certain", "likely", "possible")
_ANCHORING = ("self-signed", "missing-intermediate", "unknown-ca")


@dataclass(frozen=True, slots=True)
class Blame:
    """One fault as a cause."""

    kind: str
    certainty: Certainty
    weight: int
    defect: Defect | None
    """None where only an alert or a length speaks."""
    reason: str
    """Why this fault and not another, as a sentence; "" where the defect says it all."""


def blame_visible(
    defects: tuple[Defect, ...],
    *,
    alert: int | None,
    sure: Certainty,
    name_known: bool,
) -> dict[str, Blame]:
    """Weigh the faults of a chain that can be read.

    `sure` is how sure it is that the certificate was the reason at all; `name_known`
    whether the name to check was seen, so that a mismatch can be excluded.
    """
    pointed = ALERT_KINDS.get(alert, ()) if alert is not None else ()
    best: dict[str, Defect] = {}
    for defect in defects:
        best.setdefault(defect.kind, defect)
    solid = [d for d in best.values() if d.certainty != "possible"]
    blamed: dict[str, Blame] = {}
    for kind, defect in best.items():
        fits = kind in pointed
        certainty: Certainty = defect.certainty
        weight = 80 - KINDS.index(kind)
        reason = ""
        if fits:
            weight += 15
            if defect.certainty == "possible" and not any(d.kind in pointed for d in solid):
                certainty = "likely"
                reason = "The alert points to it, and nothing else in the chain explains the alert."
        elif defect.certainty == "certain" and alert is not None and pointed:
            certainty = "likely"
        if sure == "possible":
            certainty = "possible"
        elif sure == "likely" and certainty == "certain":
            certainty = "likely"
        blamed[kind] = Blame(kind, certainty, weight, defect, reason)
    _prefer_version(blamed)
    if not solid and sure != "possible" and name_known:
        _by_elimination(blamed, best, pointed, alert)
    return blamed


def _prefer_version(blamed: dict[str, Blame]) -> None:
    """A version 1 certificate has no names because version 1 has no extensions."""
    version, name = blamed.get("x509-version-1"), blamed.get("name-mismatch")
    if version is None or name is None or name.defect is None:
        return
    if name.defect.reason in ("cn-only", "no-names"):
        sure = min(version.certainty, name.certainty, key=_SURE.index)
        weight = max(version.weight, name.weight + 1)
        blamed["x509-version-1"] = replace(version, certainty=sure, weight=weight)


def _by_elimination(
    blamed: dict[str, Blame], best: dict[str, Defect], pointed: tuple[str, ...], alert: int | None
) -> None:
    """Dates, name, usage, key and hash are in order: what is left is the trust store."""
    if any(kind in pointed for kind in best) or alert in (43, 44, 45, 51):
        return
    kind = next((kind for kind in _ANCHORING if kind in best), None)
    if kind is not None:
        blamed[kind] = Blame(
            kind,
            "likely",
            60,
            best[kind],
            "Dates, name, purpose, key and hash are in order, so what is left is trust: the "
            "CA is not one that this verifier knows.",
        )


def blame_hidden(
    *,
    alert: int | None,
    meanings: Sequence[Meaning],
    points_at_proxy: bool,
    server_key: str | None,
) -> dict[str, Blame]:
    """Weigh what an alert says where the chain is encrypted (TLS 1.3).

    `meanings` are those of this alert from this stack; `server_key` is the key type that
    the length of the CertificateVerify gives away.
    """
    blamed: dict[str, Blame] = {}
    if server_key == "RSA 1024":
        blamed["weak-key"] = Blame(
            "weak-key",
            "likely",
            70,
            None,
            "The CertificateVerify has the length of an RSA signature of 1024 bits, which "
            "today's verifiers refuse.",
        )
    if points_at_proxy and alert in (None, 40, 42, 46, 80):
        blamed["name-mismatch"] = Blame(
            "name-mismatch",
            "likely" if alert in (42, 80) else "possible",
            75,
            None,
            "The client was pointed at this proxy, so it checked the certificate against the "
            "proxy's name.",
        )
    for meaning in meanings:
        family, _, kind = meaning.rule.partition("certificate-")
        if family or kind in ("", "refused"):
            continue
        weight = 40 if meaning.certainty == "possible" else 60
        blamed.setdefault(kind, Blame(kind, meaning.certainty, weight, None, meaning.note))
    return blamed
