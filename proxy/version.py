"""What runs here, for bug reports."""

from __future__ import annotations

import platform
import ssl
from importlib import metadata

from cryptography.hazmat.backends.openssl import backend


def version_text() -> str:
    """The versions of tlswhy and of what its behaviour depends on; one line each."""
    return "\n".join(
        [
            f"tlswhy {metadata.version('tlswhy')}",
            f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
            f"trio {metadata.version('trio')}",
            f"{ssl.OPENSSL_VERSION} (ssl)",
            f"{backend.openssl_version_text()} (cryptography {metadata.version('cryptography')})",
        ]
    )
