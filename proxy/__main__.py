"""The entry point: `tlswhy` and `python -m proxy`.

Nothing is imported at the top but the standard library, so that `--help` and a closed
pipe cost nothing, and so that a broken installation can still say so in one line.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence

WRONG_USE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141
"""128 + SIGPIPE, what the shell shows for any program whose reader has gone."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What a redirected output answers when it takes no more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; never raises, never shows a traceback.

    With TLSWHY_DEBUG=1 in the environment an internal error shows its traceback.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(sys.argv[1:] if argv is None else list(argv))
        # Here and not at interpreter exit, where a closed pipe could not be caught.
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if error.errno not in _NO_ROOM:
            return _internal_error(error)
        _discard_output()
        _complain(f"cannot write the output: {error.strerror}")
        return WRONG_USE
    except Exception as error:
        return _internal_error(error)
    return code


def _run(argv: list[str]) -> int:
    from proxy.cli import run

    return run(argv)


def _open_closed_streams() -> None:
    """Give a program that was started with closed streams (`>&-`) some that lead nowhere."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (for the life of the process)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _complain(text: str) -> None:
    """Say it on stderr, which may be full or closed itself."""
    with contextlib.suppress(OSError, ValueError):
        print(f"tlswhy: {text}", file=sys.stderr, flush=True)


def _discard_output() -> None:
    """Let the interpreter's own flush at exit go nowhere instead of failing loudly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _internal_error(error: Exception) -> int:
    if os.environ.get("TLSWHY_DEBUG") == "1":
        traceback.print_exception(error)
    else:
        # repr-like, for an exception may quote what strangers sent.
        what = ascii(" ".join(f"{type(error).__name__}: {error}".split()))[1:-1]
        _complain(
            f"internal error: {what} (this is a bug: please report it with the output of the "
            "same command under TLSWHY_DEBUG=1)"
        )
    return WRONG_USE


if __name__ == "__main__":
    sys.exit(main())
