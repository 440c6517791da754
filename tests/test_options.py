from __future__ import annotations

import io
from pathlib import Path

import pytest

from proxy.commands.options import read_size, read_trust_anchors, text_width, use_colour
from proxy.limits import UsageError
from tests.sessions import acme


class Terminal(io.StringIO):
    """A stream that says that somebody watches."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "size"),
    [("65536", 65536), ("64K", 65536), ("10m", 10 << 20), ("1 GB", 1 << 30), ("2MiB", 2 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    assert read_size(text, what="--log-size") == size


@pytest.mark.parametrize("text", ["", "much", "10", "-1M", "1.5M", "63K", "1T"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="--log-size"):
        read_size(text, what="--log-size")


def test_trust_anchors_from_pem_with_words_around_them(tmp_path: Path) -> None:
    chain = acme().chain
    path = tmp_path / "ca.pem"
    path.write_bytes(b"# our CAs\n" + b"between\n".join(each.pem for each in chain))
    assert read_trust_anchors(path) == tuple(each.certificate for each in chain)


def test_trust_anchors_from_der(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_bytes(acme().certificate)
    assert read_trust_anchors(path) == (acme().certificate,)


def test_nobody_said_what_the_client_trusts() -> None:
    assert read_trust_anchors(None) is None


def test_damaged_pem(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nMIIBx\n-----END CERTIFICATE-----\n")
    with pytest.raises(UsageError, match="damaged"):
        read_trust_anchors(path)


def test_colour_needs_a_terminal_and_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert use_colour(Terminal())
    assert not use_colour(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not use_colour(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not use_colour(Terminal())


@pytest.mark.parametrize(("columns", "width"), [(20, 40), (90, 90), (300, 100)])
def test_width_of_a_terminal(columns: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert text_width(Terminal()) == width
    assert text_width(io.StringIO()) == 80
