"""`tlswhy proxy`: a proxy that runs until it is told to stop."""

from __future__ import annotations

import contextlib
import errno
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import TextIO

import trio

from proxy.live import Proxy, open_proxy
from proxy.observer import Explained
from proxy.screen import Output, ServeOptions

if sys.platform == "win32":
    # Ctrl-Break too; nobody can send SIGTERM there.
    _STOP_SIGNALS = (signal.SIGINT, signal.SIGBREAK)
else:
    import resource

    _STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_OTHER_FILES = 64
"""Descriptors for everything but connections."""

__all__ = ["ServeOptions", "fit_descriptors", "serve"]


async def serve(
    options: ServeOptions,
    *,
    stdout: TextIO,
    stderr: TextIO,
    on_stop: Callable[[Sequence[Explained]], None] | None = None,
    task_status: trio.TaskStatus[Proxy] = trio.TASK_STATUS_IGNORED,
) -> int:
    """Run until SIGINT or SIGTERM; the exit code.

    A second signal cuts the connections that the first left their `grace`. `on_stop`
    gets the last failed connections (`Limits.bundled`) when everything has ended, if
    `options.bundle` is set. `task_status` hears when connections are accepted.

    Raises:
        UsageError: wrong use, before anything was accepted.
        BrokenPipeError: the reader of stdout has gone; connections are cut first.
    """
    limits = replace(
        options.limits,
        connections=fit_descriptors(options.limits.connections),
        finished_kept=0,  # nobody takes them: what is explained is shown at once
    )
    out = Output(options, stdout=stdout, stderr=stderr)
    try:
        with trio.open_signal_receiver(*_STOP_SIGNALS) as signals:
            async with open_proxy(
                options.broker,
                address=options.connect,
                listens=options.listens,
                told=options.hints,
                limits=limits,
                report_after=options.report_after,
                on_explained=out.explained,
                log=out.say,
            ) as proxy:
                out.started(proxy)
                await trio.to_thread.run_sync(out.drain)
                task_status.started(proxy)
                await _until_stopped(proxy, signals, out, options.grace)
        if out.gone.is_set():
            raise BrokenPipeError(errno.EPIPE, "the reader of the output has gone")
        out.drain()
        if on_stop is not None and options.bundle:
            on_stop(list(out.failures))
        out.summary(proxy)
    finally:
        out.close()
    return int(options.exit_code and bool(out.rules))


async def _until_stopped(
    proxy: Proxy, signals: AsyncIterator[int], out: Output, grace: float
) -> None:
    """Wait for a signal or for a reader that goes away, then let connections end."""
    async with trio.open_nursery() as nursery:

        async def first() -> None:
            await anext(signals)
            nursery.cancel_scope.cancel()

        nursery.start_soon(first)
        await out.gone.wait()
        nursery.cancel_scope.cancel()
    if out.gone.is_set():
        return
    count = proxy.stats().open
    if count and grace > 0:
        what = (
            "1 connection is open and has"
            if count == 1
            else f"{count} connections are open and have"
        )
        out.say(f"stopping: {what} {grace:g} s to end (stop again to cut now)")
    async with trio.open_nursery() as nursery:

        async def second() -> None:
            await anext(signals)
            await proxy.relay.drain(trio.current_time())

        nursery.start_soon(second)
        await proxy.relay.drain(trio.current_time() + grace)
        nursery.cancel_scope.cancel()


def fit_descriptors(connections: int) -> int:
    """Raise this process's limit of open files for so many connections; how many then fit."""
    if sys.platform == "win32":
        return connections
    else:  # mypy knows the platform of an else, not of what follows a return
        wanted = 2 * connections + _OTHER_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            goal = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            # macOS refuses more than its kern.maxfilesperproc, whatever the hard limit says.
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return connections
        return max(1, min(connections, (soft - _OTHER_FILES) // 2))
