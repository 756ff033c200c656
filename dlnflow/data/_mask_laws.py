"""The laws of random masks over one frame: probabilities of pairs of tokens, and samplers."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Range = tuple[float, float]

LEVELS = 4096  # at which the size of a block is tabulated over its uniform random number


class MaskLaw(Protocol):
    """Random masks of one frame: probabilities, and a sampler."""

    def context(self) -> Array: ...
    def target(self) -> Array: ...
    def draw(self, n: int, random: np.random.Generator) -> tuple[Flags, Flags]: ...


class TokensLaw(NamedTuple):
    """Given numbers of random tokens."""

    tokens: int
    seen: int
    wanted: int
    disjoint: bool

    def context(self) -> Array:
        """Probability that both of two tokens are in the context."""
        m, a = self.tokens, self.seen
        other = a * (a - 1) / (m * max(m - 1, 1))
        return np.where(np.eye(m, dtype=bool), a / m, other)

    def target(self) -> Array:
        """Probability that one is in the target and the other in the context."""
        m, both = self.tokens, self.seen * self.wanted
        if not self.disjoint:
            return np.full((m, m), both / m**2)
        return np.where(np.eye(m, dtype=bool), 0.0, both / (m * (m - 1)))

    def draw(self, n: int, random: np.random.Generator) -> tuple[Flags, Flags]:
        """``n`` pairs of masks."""
        place = self._places(n, random)
        if not self.disjoint:
            return place < self.seen, self._places(n, random) < self.wanted
        return place < self.seen, (place >= self.seen) & (place < self.seen + self.wanted)

    def _places(self, n: int, random: np.random.Generator) -> Any:
        """Each token's place in a random order, one order in each row."""
        return random.permuted(np.tile(np.arange(self.tokens), (n, 1)), axis=1)


class Block(NamedTuple):
    """A rectangle of random size at a random place."""

    grid: tuple[int, int]
    sizes: NDArray[np.int64]  # (sizes, 2)
    shares: Array  # probability of each

    @classmethod
    def of(cls, grid: Any, scale: Range, aspect: Range) -> Block:
        """A block whose share of the grid and aspect follow one uniform number."""
        level = (np.arange(LEVELS) + 0.5) / LEVELS
        area, ratio = (low + level * (high - low) for low, high in (scale, aspect))
        kept = np.floor(area * prod(grid))
        sides = np.stack([np.sqrt(kept * ratio), np.sqrt(kept / ratio)], axis=1)
        every = np.clip(np.rint(sides), 1, grid).astype(np.int64)
        sizes, counts = np.unique(every, axis=0, return_counts=True)
        return cls(grid, sizes, counts / LEVELS)

    def together(self) -> Array:
        """Probability that both of two tokens are in the block."""
        each = zip(self.sizes, self.shares, strict=True)
        return sum(
            share * np.kron(*(_spanned(*one) for one in zip(self.grid, size, strict=True)))
            for size, share in each
        )

    def draw(self, n: int, random: np.random.Generator) -> Flags:
        """``n`` masks."""
        sides = self.sizes[random.choice(len(self.sizes), n, p=self.shares)]
        starts = random.integers(0, self.grid - sides + 1)
        rows, columns = (
            (np.arange(length) >= start[:, None]) & (np.arange(length) < (start + side)[:, None])
            for length, start, side in zip(self.grid, starts.T, sides.T, strict=True)
        )
        return (rows[:, :, None] & columns[:, None, :]).reshape(n, -1)


class BlocksLaw(NamedTuple):
    """A block as context and another as target; ``cut`` such targets are cut out of the context."""

    square: Block
    wanted: Block
    cut: int

    def context(self) -> Array:
        """Probability that both of two tokens are in the context."""
        inside = self.wanted.together()
        alone = np.diag(inside)
        return self.square.together() * (1.0 - alone[:, None] - alone + inside) ** self.cut

    def target(self) -> Array:
        """Probability that one is in the target and the other in the context."""
        inside, seen = self.wanted.together(), np.diag(self.square.together())
        alone = np.diag(inside)
        if not self.cut:
            return np.outer(alone, seen)
        return (alone[:, None] - inside) * (1.0 - alone) ** (self.cut - 1) * seen

    def draw(self, n: int, random: np.random.Generator) -> tuple[Flags, Flags]:
        """``n`` pairs of masks."""
        seen, wanted = self.square.draw(n, random), self.wanted.draw(n, random)
        for place in range(self.cut):
            seen &= ~(self.wanted.draw(n, random) if place else wanted)
        return seen, wanted


def _spanned(length: int, size: int) -> Array:
    """Probability that a random interval of ``size`` places covers both of two places."""
    place = np.arange(length)
    first = np.maximum(np.maximum.outer(place, place) - size + 1, 0)
    last = np.minimum(np.minimum.outer(place, place), length - size)
    return np.maximum(last - first + 1, 0) / (length - size + 1)
