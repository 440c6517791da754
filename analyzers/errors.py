"""What can be wrong with bytes, sorted so that callers never confuse "not yet" with "broken"."""


class ParseError(ValueError):
    """The bytes of a message do not have the form its specification gives.

    Holds facts, not a sentence: `struct` and `field` in RFC spelling, `offset` in
    bytes from the start of the message.
    """

    def __init__(self, struct: str, field: str, offset: int) -> None:
        super().__init__(struct, field, offset)
        self.struct = struct
        self.field = field
        self.offset = offset

    def __reduce__(self) -> tuple[object, ...]:
        # What copying and pickling do by default calls __init__ without keywords.
        return type(self).__new__, (type(self), *self.args), self.__dict__

    @property
    def what(self) -> str:
        """The fault alone, without its place."""
        return "is malformed"

    def __str__(self) -> str:
        return f"{self.struct}.{self.field} {self.what} (offset {self.offset})"


class Truncated(ParseError):
    """A field needs more bytes than its enclosing vector or message has."""

    def __init__(self, struct: str, field: str, offset: int, *, needed: int, had: int) -> None:
        super().__init__(struct, field, offset)
        self.needed = needed
        self.had = had

    @property
    def what(self) -> str:
        """The fault alone, without its place."""
        return f"needs {self.needed} bytes, only {self.had} are left"


class Malformed(ParseError):
    """The bytes are all there and contradict the specification."""

    def __init__(self, struct: str, field: str, offset: int, *, reason: str) -> None:
        super().__init__(struct, field, offset)
        self.reason = reason

    @property
    def what(self) -> str:
        """The fault alone, without its place."""
        return self.reason
