"""The generator makes the committed table from the registry's CSV."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from analyzers.codepoints import CipherSuite

ROOT = Path(__file__).parent.parent
TOOL = ROOT / "tests" / "tools" / "refresh_codepoints.py"
TABLE = ROOT / "analyzers" / "codepoints" / "cipher_suites.py"

RESERVED = [
    ("0x00,0x1C-1D", "Reserved to avoid conflicts with SSLv3"),
    ("0x0A,0x0A", "Reserved"),
    ("0x13,0x00", "Unassigned"),
    ("0xFB-FD,*", "Unassigned"),
    ("0xFF,0x00-FF", "Reserved for Private Use"),
]


def refresh(path: Path, source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOL, path, source], capture_output=True, text=True, check=False
    )


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["Value", "Description", "DTLS-OK", "Recommended", "Reference"])
        writer.writerows((value, name, "Y", "N", "[RFC5246]") for value, name in rows)
    return path


def test_the_committed_table_is_what_the_generator_writes(tmp_path: Path) -> None:
    rows = [(f"0x{point >> 8:02X},0x{point & 255:02X}", point.name) for point in CipherSuite]
    committed = TABLE.read_text(encoding="utf-8")
    source = committed.splitlines()[0].split("registry, ")[1].removesuffix(".")
    made = refresh(write(tmp_path / "tls-parameters-4.csv", [*RESERVED, *rows]), source)
    assert made.returncode == 0, made.stderr
    assert made.stdout == committed


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("0x13,0x01", "TLS_A"), ("0x13,0x01", "TLS_B")], "0x1301 is both TLS_A and TLS_B"),
        (RESERVED, "is this tls-parameters-4.csv?"),
    ],
)
def test_a_broken_registry_is_refused(
    tmp_path: Path, rows: list[tuple[str, str]], fault: str
) -> None:
    made = refresh(write(tmp_path / "wrong.csv", rows), "today")
    assert made.returncode != 0
    assert fault in made.stderr
