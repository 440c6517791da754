"""What holds for every test: Hypothesis without clocks or luck, and the interop switch."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

INTEROP = Path(__file__).parent / "interop"

settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--interop",
        action="store_true",
        help="also run tests/interop, against real brokers and clients; a skip then fails the run",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("--interop") and collection_path.is_relative_to(INTEROP):
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A file that is named on the command line is collected all the same: leave it out here."""
    if config.getoption("--interop"):
        return
    apart = [item for item in items if item.path.is_relative_to(INTEROP)]
    if apart:
        items[:] = [item for item in items if item not in apart]
        config.hook.pytest_deselected(items=apart)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --interop a skipped test is a test that nobody ran: fail the run and say so."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--interop") or reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(
            f"{len(skipped)} skipped: with --interop every test has to run", red=True
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
