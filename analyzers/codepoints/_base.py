"""Open enumerations: a value that nobody has named yet is ordinary, not an error."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

GREASE_16 = frozenset(0x0A0A + 0x1010 * n for n in range(16))
"""The reserved values of cipher suites, extensions, groups, signature schemes and
versions (RFC 8701 section 2)."""

GREASE_PSK_MODES = frozenset(0x0B + 0x1F * n for n in range(8))
"""The reserved values of psk_key_exchange_modes (RFC 8701 section 2)."""


class CodePoint(IntEnum):
    """A number from an IANA registry, with or without a name.

    `Kind(number)` gives a value for every number that fits the field; only numbers
    that could not have been on the wire raise ValueError. An unnamed value is made
    anew each time, so that a stream of invented numbers cannot grow the class:
    compare with `==`, never with `is`.

    A member is declared as its number, or as (number, label) where the registry's
    spelling is not the member's own name (in small letters with `lower=True`).
    Two names for one number are refused when the class is made.
    """

    _label: str
    _digits: int
    _grease: frozenset[int]
    _lower: bool

    def __new__(cls, value: int, label: str = "") -> Self:
        """Make one declared member."""
        member = int.__new__(cls, value)
        member._value_ = value
        member._label = label
        return member

    def __init_subclass__(
        cls, *, bits: int = 16, grease: frozenset[int] = frozenset(), lower: bool = False
    ) -> None:
        super().__init_subclass__()
        cls._digits = bits // 4
        cls._grease = grease
        cls._lower = lower
        for name, member in cls.__members__.items():
            if member.name != name:
                raise TypeError(f"{cls.__name__}: {name} and {member.name} are one number")
            if member.value in grease or not 0 <= member.value < 1 << bits:
                raise TypeError(f"{cls.__name__}: {name} cannot have the number {member.value}")
            member._label = member._label or (name.lower() if lower else name)

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not 0 <= value < 16**cls._digits:
            return None  # Enum turns this into a ValueError
        unnamed = int.__new__(cls, value)
        unnamed._value_ = value
        unnamed._label = cls._spell(value)
        unnamed._name_ = unnamed._label
        return unnamed

    @classmethod
    def knows(cls, value: int) -> bool:
        """Whether a number has a name here, without making an object for one that has none."""
        return value in cls._value2member_map_

    @classmethod
    def spell(cls, value: int) -> str:
        """The label of a number, without making an object for one that has no name.

        Raises:
            ValueError: the number does not fit the registry's field.
        """
        member = cls._value2member_map_.get(value)
        if isinstance(member, CodePoint):
            return member._label
        if not 0 <= value < 16**cls._digits:
            raise ValueError(f"{value} is no {cls.__name__}")
        return cls._spell(value)

    @classmethod
    def _spell(cls, value: int) -> str:
        """How a value without a name is written."""
        number = f"0x{value:0{cls._digits}X}"
        return f"GREASE({number})" if value in cls._grease else number

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[int]]:
        """Travel by number: Python 3.11.2 would pickle by name, which unnamed values lack."""
        return type(self), (self._value_,)

    @property
    def label(self) -> str:
        """The registry's spelling; `0x1234` or `GREASE(0x1A1A)` where there is none."""
        return self._label

    @property
    def is_known(self) -> bool:
        """Whether the number has a name here."""
        return self._value_ in type(self)._value2member_map_

    @property
    def is_grease(self) -> bool:
        """Whether the number is reserved to be ignored (RFC 8701)."""
        return self._value_ in self._grease

    def __str__(self) -> str:
        return self._label

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._label}>"


def label(kind: type[CodePoint], value: int) -> str:
    """Spell a number of a registry; for hot paths that keep plain ints.

    Raises:
        ValueError: the number does not fit the registry's field.
    """
    return kind.spell(value)


def labels(kind: type[CodePoint], values: tuple[int, ...] | list[int]) -> list[str]:
    """Spell several numbers of a registry, in their order."""
    return [label(kind, value) for value in values]
