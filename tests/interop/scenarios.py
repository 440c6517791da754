"""What goes wrong, in terms of configuration, and what the bytes then have to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Version = Literal["1.2", "1.3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a broker's TLS listener is configured; what it leaves out is sound."""

    certificate: str = "sound"
    """A key of `Pki.servers`."""
    lowest: Version = "1.2"
    highest: Version = "1.3"
    wants_certificate: bool = False
    """Whether clients have to show a certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One setting, one client configuration, one truth."""

    name: str
    setting: Setting = Setting()
    lowest: Version = "1.2"
    """The client's lowest version."""
    highest: Version = "1.3"
    """The client's highest version."""
    trusts_ca: bool = True
    """Whether the client knows the root CA."""
    tls: bool = True
    """False: the client speaks MQTT in clear."""
    works: bool = False
    """Whether client and broker come together."""
    rule: str | None = None
    """The verdict."""
    status: str = "failed"
    failed_by: str | None = None
    version: str | None = None
    """What was negotiated, where it got so far."""

    @property
    def refused_late(self) -> bool:
        """Whether the server refuses after the client believes that it is connected."""
        return self.setting.wants_certificate and self.highest == "1.3"


# Where the client has to refuse a certificate, TLS 1.2 is the highest version: only
# there can anyone but the two ends see that certificate.
SCENARIOS = [
    Scenario(
        name="success-tls12",
        highest="1.2",
        works=True,
        status="established",
        version="TLS 1.2",
    ),
    Scenario(
        name="success-tls13",
        lowest="1.3",
        works=True,
        status="established",
        version="TLS 1.3",
    ),
    Scenario(
        name="client-too-old",
        setting=Setting(lowest="1.3"),
        highest="1.2",
        rule="version-client-too-old",
        failed_by="server",
    ),
    Scenario(
        name="client-too-new",
        setting=Setting(highest="1.2"),
        lowest="1.3",
        rule="version-server-too-old",
        failed_by="server",
    ),
    Scenario(
        name="unknown-ca",
        highest="1.2",
        trusts_ca=False,
        rule="certificate-unknown-ca",
        failed_by="client",
        version="TLS 1.2",
    ),
    Scenario(
        name="hostname-mismatch",
        setting=Setting(certificate="other-name"),
        highest="1.2",
        rule="certificate-name-mismatch",
        failed_by="client",
        version="TLS 1.2",
    ),
    Scenario(
        name="expired",
        setting=Setting(certificate="expired"),
        highest="1.2",
        rule="certificate-expired",
        failed_by="client",
        version="TLS 1.2",
    ),
    Scenario(
        name="bad-signature",
        setting=Setting(certificate="bad-signature"),
        highest="1.2",
        rule="certificate-bad-signature",
        failed_by="client",
        version="TLS 1.2",
    ),
    Scenario(
        name="client-certificate-missing-tls12",
        setting=Setting(wants_certificate=True),
        highest="1.2",
        rule="client-certificate-missing",
        failed_by="server",
        version="TLS 1.2",
    ),
    Scenario(
        name="client-certificate-missing-tls13",
        setting=Setting(wants_certificate=True),
        lowest="1.3",
        rule="client-certificate-missing",
        failed_by="server",
        version="TLS 1.3",
    ),
    Scenario(
        name="plaintext-to-tls",
        tls=False,
        rule="plaintext-to-tls-port",
        status="not_tls",
        failed_by="server",
    ),
]
