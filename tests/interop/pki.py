"""The certificates of all scenarios, as the files that brokers and clients want."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from proxy.lab.authority import DAY, Authority, Identity

NAMES = ("localhost", "127.0.0.1")
"""What clients call the broker, with and without the proxy: so its name check is real."""


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate with its chain (leaf first, no root), and its key; both PEM."""

    chain: Path
    key: Path


class Pki:
    """A root, an intermediate below it, and leaves; every file lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        issue = Authority(time.time())
        root = issue.root("Interop Root CA")
        intermediate = issue.intermediate(root, "Interop Issuing CA")
        namesake = issue.intermediate(root, "Interop Issuing CA", slot="namesake")
        self.ca = self._write("ca.pem", root.pem)
        # Erlang looks for the intermediates that it is to send among its CAs.
        self.cas = self._write("cas.pem", intermediate.pem + root.pem)
        self.other_ca = self._write(
            "other-ca.pem", issue.root("Another Root CA", slot="another").pem
        )
        self.servers = {
            "sound": self._files("sound", issue.server(intermediate, names=NAMES)),
            "expired": self._files(
                "expired", issue.server(intermediate, names=NAMES, starts=-30 * DAY, ends=-1 * DAY)
            ),
            "other-name": self._files(
                "other-name", issue.server(intermediate, names=("broker.example",))
            ),
            "bad-signature": self._files(
                "bad-signature", issue.server(intermediate, names=NAMES, signed_by=namesake)
            ),
        }
        self.client = self._files("client", issue.device(intermediate))

    def _files(self, name: str, identity: Identity) -> Files:
        return Files(
            self._write(f"{name}.pem", b"".join(each.pem for each in identity.chain)),
            self._write(f"{name}.key", identity.key_pem),
        )

    def _write(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(content)
        # Brokers drop their privileges and then want to read this; it protects nothing.
        path.chmod(0o644)
        return path
