"""TLS alerts as people and logs name them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from analyzers.codepoints import AlertDescription

Complaint = Literal["received", "sent", "unknown"]

_NUMBER = re.compile(
    r"(?:tls |ssl )?(?:alert )?(?:number )?#?(0x[0-9a-f]{1,4}|\d{1,3})", re.IGNORECASE
)

# How logs name an alert that the printing side received (R), sent (S), or either (E).
_R = r"""
(?:received|got) (?:CLIENT|SERVER) ALERT: *(?:Fatal|Warning) - ([\w ]+)
SSL alert number (\d+)
(?:sslv3|tlsv1|tlsv13|ssl/tls|tlsv1\.\d) alert ([a-z ]+?)(?=[:(,.]| \(|$)
(?:SSLV3|TLSV1|TLSV13|SSL/TLS)_ALERT_([A-Z_]+)
received fatal alert:? *\(?(\w+)
received alert \[(\d+)\]
\(msg (\d+)\)
remote error: tls: ([\w ]+)
TLSRemoteAlert: (\w+)
alert rx \d+/(\d+)
"""
_S = r"""
generated (?:CLIENT|SERVER) ALERT: *(?:Fatal|Warning) - ([\w ]+)
alert rx -1/-1 tx \d+/(\d+)
"""
_E = r"""
(?:CLIENT|SERVER) ALERT: *(?:Fatal|Warning) - ([\w ]+)
tls_alert, *["{]+(\w+)
"""


def _compiled(patterns: str, complaint: Complaint) -> list[tuple[re.Pattern[str], Complaint]]:
    flags = re.IGNORECASE | re.MULTILINE
    return [(re.compile(line, flags), complaint) for line in patterns.strip().splitlines()]


_ALERT_LINES = [*_compiled(_R, "received"), *_compiled(_S, "sent"), *_compiled(_E, "unknown")]

# Names that are not IANA's: Go's texts and OpenSSL's short forms.
_OTHER_NAMES = {
    "certificate_signed_by_unknown_certificate_authority": 48,
    "unknown_certificate_authority": 48,
    "expired_certificate": 45,
    "bad_certificate": 42,
    "unknown_certificate": 46,
    "revoked_certificate": 44,
    "protocol_version_not_supported": 70,
    "no_application_protocol": 120,
    "insufficient_security_level": 71,
    "incorrect_message_authentication_code": 20,
    "error_decrypting_message": 51,
    "error_decoding_message": 50,
    "user_canceled": 90,
    "unrecognised_name": 112,
    "certificate_required": 116,
}


@dataclass(frozen=True, slots=True)
class SpokenAlert:
    """An alert that a log line speaks of."""

    code: int
    complaint: Complaint
    """Whether the side that prints the line received the alert or sent it."""
    sender: Literal["client", "server"] | None
    """Who sent it, where the line says so."""
    state: str | None
    """The state of Erlang's machine, where the line has one."""


@cache
def alert_names() -> dict[str, int]:
    """Every name of an alert, in small letters with underscores, and its number."""
    names = {alert.label.lower(): int(alert) for alert in AlertDescription}
    return _OTHER_NAMES | names


def alert_code(asked: str) -> int | None:
    """The alert that `asked` names and nothing else, by number or by name."""
    plain = asked.lower().strip(" .!\"'")
    match = _NUMBER.fullmatch(plain)
    if match:
        number = int(match[1], 0) if match[1].startswith("0x") else int(match[1])
        return number if number < 256 and AlertDescription(number).is_known else None
    name = re.sub(r"^(?:tls |ssl )?(?:fatal )?(?:alert )?", "", plain)
    name = re.sub(r"[\s-]+", "_", name)
    return alert_names().get(name) or alert_names().get(re.sub(r"_\(\d+\)$", "", name))


def alerts_in(text: str) -> list[SpokenAlert]:
    """The alerts that the lines of `text` speak of, each alert once."""
    found: dict[int, SpokenAlert] = {}
    state = re.search(r"In state (\w+)", text)
    for pattern, complaint in _ALERT_LINES:
        for match in pattern.finditer(text):
            code = alert_code(match[1].strip().replace("_", " "))
            if code is None or code in found:
                continue
            side = re.search(r"(CLIENT|SERVER) ALERT", match[0])
            sender: Literal["client", "server"] | None = None
            if side:
                sender = "client" if side[1] == "CLIENT" else "server"
            found[code] = SpokenAlert(code, complaint, sender, state[1] if state else None)
    return list(found.values())
