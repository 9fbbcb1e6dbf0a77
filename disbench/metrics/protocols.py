"""Evaluation protocols by name: the switches in which published evaluation codes differ, as data."""

from dataclasses import dataclass

from disbench.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """stretch: each map is first stretched to its own minimum and maximum, unless it is constant
    truth_above: a pixel of the truth is foreground where its level is greater
    beta2: weight of precision in F
    e: the variant of E that a table of this protocol prints
    """

    name: str
    stretch: bool
    truth_above: int
    beta2: float
    e: str


# What PySODMetrics, BiRefNet's and UDUN's evaluation agree on.
PYSOD = Protocol(name="pysod", stretch=True, truth_above=128, beta2=0.3, e="mean")

PROTOCOLS = {protocol.name: protocol for protocol in (PYSOD,)}


def find(name: str) -> Protocol:
    """The protocol of that name, or an InputError that lists the known ones."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol: {name!r} is unknown, known are: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
