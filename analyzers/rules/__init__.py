"""The rule catalogue, by family in the order in which `tlswhy explain` lists them."""

from analyzers.rules import (
    certificate,
    client_certificate,
    negotiation,
    notes,
    psk,
    session,
    transport,
)
from analyzers.rules._rule import Rule, declared

FAMILIES = (negotiation, certificate, client_certificate, psk, transport, session, notes)


def catalogue() -> tuple[Rule, ...]:
    """Every rule, in catalogue order."""
    order = {family.__name__.rpartition(".")[2]: n for n, family in enumerate(FAMILIES)}
    return tuple(sorted(declared(), key=lambda rule: order[rule.family]))


__all__ = ["Rule", "catalogue"]
