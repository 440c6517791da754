from __future__ import annotations

import io
import json
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

from analyzers.connection import Connection
from analyzers.context import Context
from analyzers.events import HandshakeSeen, How
from analyzers.offline import read_connections
from analyzers.transcript import Transcript
from proxy.bundle import CAPTURE, README, REPORTS, TEXT, Case, check_writable, write_bundle
from proxy.lab import messages as wire
from proxy.limits import UsageError
from proxy.replay import End, Payload
from tests import samples
from tests.sessions import AT, CLIENT, NAME, SERVER, acme, context, observe, tls_session
from tests.test_replay import shape

TELLING = re.compile(rb"acme|widgets|192\.168\.7\.20|203\.0\.113\.77", re.IGNORECASE)


def case(transcript: Transcript | None = None, **change: object) -> Case:
    report = samples.report(
        server=samples.report().server.__class__(address="203.0.113.77", port=8883, name=NAME),
        findings=[samples.finding("certificate-expired", f"{NAME} has expired")],
    )
    seen = observe(tls_session(acme(), trusted=False)) if transcript is None else transcript
    return Case(seen, context(**change), report)


def unpack(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def captured(data: bytes) -> list[tuple[Transcript, Context]]:
    reading = read_connections([data], name="bundle")
    found = list(reading)
    assert reading.summary.warnings == []
    return found


def test_a_bundle_holds_reports_capture_and_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "report.zip"
    write_bundle(path, [case(), case()])
    files = unpack(path)
    assert set(files) == {REPORTS, TEXT, CAPTURE, README}
    lines = files[REPORTS].decode().splitlines()
    assert [json.loads(line)["schema"] for line in lines] == ["tlswhy/1"] * 2
    assert NAME in files[TEXT].decode()
    assert "2 failed connections" in files[README].decode()
    assert "--redact" in files[README].decode()
    assert list(tmp_path.iterdir()) == [path]


def test_the_capture_shows_the_session_as_it_was(tmp_path: Path) -> None:
    one = case()
    write_bundle(tmp_path / "b.zip", [one])
    [(again, where)] = captured(unpack(tmp_path / "b.zip")[CAPTURE])
    assert shape(again) == shape(one.transcript)
    assert where.client_address == "192.168.7.20"
    assert (where.server_address, where.server_port) == ("203.0.113.77", 8883)
    assert where.start == pytest.approx(AT, abs=1e-5)


def test_redacted_all_names_and_addresses_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    write_bundle(path, [case()], redact=True)
    for name, content in unpack(path).items():
        assert not TELLING.search(content), name
    assert "do not verify" in unpack(path)[README].decode()
    [(again, where)] = captured(unpack(path)[CAPTURE])
    assert [type(event.body) for event in again.of(HandshakeSeen)] == [
        type(event.body) for event in case().transcript.of(HandshakeSeen)
    ]
    assert where.client_address == "192.0.2.1"
    assert json.loads(unpack(path)[REPORTS])["findings"][0]["rule"] == "certificate-expired"


@pytest.mark.parametrize("redact", [False, True])
def test_no_application_data_and_no_password_can_be_in_it(tmp_path: Path, redact: bool) -> None:
    secret = b"topic=factory password=hunter2 " * 10
    after = tls_session(acme(), secret=secret)
    connect = wire.connect("device-7", user="alice", password="hunter2")
    plain = observe([Payload(CLIENT, AT, connect), End(SERVER, AT + 1, How.RST)])
    path = tmp_path / "b.zip"
    write_bundle(path, [case(observe(after)), case(plain)], redact=redact)
    content = unpack(path)[CAPTURE]
    encrypted = max((t.data for t in after if isinstance(t, Payload)), key=len)
    assert b"hunter2" not in content
    last = [t.data for t in after if isinstance(t, Payload) and t.direction is CLIENT][-1]
    assert last[-64:] not in content
    assert encrypted  # the session did carry something
    assert sum(1 for _ in captured(content)) == 2


@pytest.mark.parametrize(("why", "flows"), [("refused", 1), ("timeout", 1), ("unreachable", 0)])
def test_a_broker_that_was_not_reached(tmp_path: Path, why: str, flows: int) -> None:
    connection = Connection()
    connection.not_connected(why, "no", AT)
    write_bundle(tmp_path / "b.zip", [case(connection.transcript)])
    found = captured(unpack(tmp_path / "b.zip")[CAPTURE])
    assert len(found) == flows
    for again, _ in found:
        assert (again.not_connected is not None) == (why == "refused")
        assert again.server_bytes == again.client_bytes == 0


def test_an_unresolved_broker_has_no_packets(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b.zip", [case(server_address=None)])
    assert captured(unpack(tmp_path / "b.zip")[CAPTURE]) == []


def test_an_ipv6_zone_is_no_obstacle(tmp_path: Path) -> None:
    one = case(client_address="fe80::1%eth0", server_address="fe80::2")
    write_bundle(tmp_path / "b.zip", [one])
    [(_, where)] = captured(unpack(tmp_path / "b.zip")[CAPTURE])
    assert where.client_address == "fe80::1"


def test_an_older_bundle_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(b"older")
    write_bundle(path, [case()])
    assert zipfile.is_zipfile(io.BytesIO(path.read_bytes()))


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "b.zip")
    with pytest.raises(UsageError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(UsageError, match="no folder"):
        check_writable(tmp_path / "missing" / "b.zip")


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="not permitted"):
        check_writable(tmp_path / "b.zip")


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "b.zip"
    target.mkdir()
    (target / "x").touch()
    with pytest.raises(UsageError, match=r"--bundle .*b\.zip"):
        write_bundle(target, [case()])
    assert list(tmp_path.iterdir()) == [target]
