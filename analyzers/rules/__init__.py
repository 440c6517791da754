"""The rule catalogue, by family in the order in which `tlswhy explain` lists them."""

from functools import cache

from analyzers.rules import (
    certificate,
    chain,
    client_certificate,
    naming,
    negotiation,
    notes,
    protocol,
    psk,
    reach,
    session,
    transport,
    version,
)
from analyzers.rules._rule import Rule, declared

FAMILIES = (
    version,
    negotiation,
    naming,
    certificate,
    chain,
    client_certificate,
    psk,
    reach,
    protocol,
    transport,
    session,
    notes,
)
_ORDER = {family.__name__.rpartition(".")[2]: place for place, family in enumerate(FAMILIES)}


@cache
def catalogue() -> tuple[Rule, ...]:
    """Every rule, in catalogue order."""
    return tuple(sorted(declared(), key=lambda rule: _ORDER[rule.family]))


__all__ = ["Rule", "catalogue"]
