"""Our judgement of a chain beside that of `openssl verify`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from analyzers.trust import judge_chain
from tests.certs import AT, DAY, NAME, Made, intermediate, key, make, root

ROOT = root()
ISSUING = intermediate(ROOT)
OLD = intermediate(ROOT, "Old Issuing CA", ends=-DAY)
FAKE = make("Fake Issuing CA", ROOT)
NARROW = intermediate(ROOT, "Constrained CA", permitted=["allowed.example"])
SHORT = root("Short Root", path_length=0)
BELOW_SHORT = intermediate(SHORT)
SAME = root(NAME, slot="ca of the same name")
STRANGER = root("Stranger Root CA")

CASES: dict[str, tuple[list[Made], Made, str | None, int]] = {
    # name: (sent, trusted, the defect that we name first, error number of OpenSSL)
    "sound": ([make(NAME, ISSUING), ISSUING], ROOT, None, 0),
    "unknown CA": ([make(NAME, STRANGER)], ROOT, "unknown-ca", 20),
    "self-signed": ([make(NAME)], ROOT, "self-signed", 18),
    "intermediate not sent": ([make(NAME, ISSUING)], ROOT, "missing-intermediate", 20),
    "impostor": (
        [make(NAME, ROOT, signer=key("p256", "impostor"), key_ids=False)],
        ROOT,
        "bad-signature",
        7,
    ),
    "expired": ([make(NAME, ROOT, ends=-DAY)], ROOT, "expired", 10),
    "not yet valid": ([make(NAME, ROOT, starts=DAY)], ROOT, "not-yet-valid", 9),
    "intermediate expired": ([make(NAME, OLD), OLD], ROOT, "intermediate-expired", 10),
    "another name": ([make("other.example.com", ROOT)], ROOT, "name-mismatch", 62),
    "wildcard over two labels": ([make("x", ROOT, names=["*.com"])], ROOT, "name-mismatch", 62),
    "client's purpose": ([make(NAME, ROOT, purposes=("clientAuth",))], ROOT, "wrong-eku", 26),
    "any purpose": ([make(NAME, ROOT, purposes=("any",))], ROOT, "wrong-eku", 26),
    "key usage": ([make(NAME, ROOT, usage=("crl_sign",))], ROOT, "wrong-key-usage", 26),
    "issuer is no CA": ([make(NAME, FAKE), FAKE], ROOT, "issuer-not-ca", 79),
    "path length": ([make(NAME, BELOW_SHORT), BELOW_SHORT], SHORT, "issuer-not-ca", 25),
    "name constraints": ([make(NAME, NARROW), NARROW], ROOT, "name-constraints", 47),
    "critical extension": (
        [make(NAME, ROOT, unknown_critical="1.3.6.1.4.1.55555.1")],
        ROOT,
        "unknown-critical-extension",
        34,
    ),
    "weak key": ([make(NAME, ROOT, kind="rsa1024")], ROOT, "weak-key", 66),
    "same name as the CA": (
        [make(NAME, SAME, slot="leaf", key_ids=False)],
        SAME,
        "self-signed",
        18,
    ),
}


def openssl_error(sent: Sequence[Made], trusted: Made, folder: Path) -> int:
    """The first error number of `openssl verify` at `AT`; 0 if it is content."""

    def write(file: str, *made: Made) -> str:
        path = folder / file
        path.write_bytes(b"".join(m.certificate.public_bytes(Encoding.PEM) for m in made))
        return str(path)

    done = subprocess.run(
        [
            *("openssl", "verify", "-attime", str(int(AT)), "-purpose", "sslserver"),
            *("-auth_level", "2", "-verify_hostname", NAME, "-CAfile", write("ca.pem", trusted)),
            *(("-untrusted", write("sent.pem", *sent[1:])) if sent[1:] else ()),
            write("leaf.pem", sent[0]),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    found = re.search(r"error (\d+) at", done.stdout + done.stderr)
    assert found or done.returncode == 0, done.stderr
    return int(found.group(1)) if found else 0


@pytest.mark.parametrize("case", CASES)
def test_same_judgement(case: str, tmp_path: Path) -> None:
    sent, trusted, kind, error = CASES[case]
    judgement = judge_chain(
        [made.read for made in sent],
        at=AT,
        role="server",
        name=NAME,
        trust_anchors=(trusted.der,),
    )
    first = judgement.first()
    assert openssl_error(sent, trusted, tmp_path) == error
    assert (first.kind if first else None) == kind
