"""Random streams that depend on what they are for, never on what was drawn before."""

import zlib
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is drawn for."""

    START = 0
    VOLATILITY = 1
    COIN = 2
    SIZE = 3
    QUIET = 4
    SIGN = 5
    COPY = 6
    FLOW = 7
    SECONDS = 8


def stream(seed: int, name: str, block: int, purpose: Purpose) -> np.random.Generator:
    """Return the generator of one purpose in one block of one symbol.

    Every (seed, name, block, purpose) has its own stream, so that a market can be extended, in any order of
    symbols, and what was drawn before stays as it was.
    """
    key = (zlib.crc32(name.encode()), block, int(purpose))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
