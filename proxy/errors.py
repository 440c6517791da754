"""What the user did, or the machine lacks: told in one line, never with a traceback."""

from __future__ import annotations


class UsageProblem(Exception):
    """The command cannot do what was asked; the message says what to do instead.

    The command line prints it as one line on stderr and exits with `exit_code`.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
