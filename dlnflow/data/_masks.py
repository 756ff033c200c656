"""Random masks over tokens, as JEPAs and MAEs use them, with exact probabilities: `Masks`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlnflow._common import _validate
from dlnflow._common._frozen import read_only, set_fields
from dlnflow._common._validate import Seed, described
from dlnflow.data._covariance import flattened, samples_in_rows
from dlnflow.data._mask_laws import Block, BlocksLaw, MaskLaw, Range, TokensLaw

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class Masks:
    """Random pairs of masks: which tokens the context shows, and which are its target.

    Build one with `random`, `blocks` or `tubes`. Draw pairs of your own data with `pairs`;
    `dlnflow.generative.MaskedTokens` is the model with exact covariances.

    Attributes
    ----------
    grid : tuple of int
        Shape of the grid of tokens, as (rows, columns), or (frames, rows, columns) for `tubes`.
    words : str
        What is drawn.

    Examples
    --------
    >>> from dlnflow.data import Masks
    >>> masks = Masks.random((2, 2), context=0.5, target=0.25)
    >>> masks
    Masks: 2 of 4 tokens as context and 1 as target, disjoint, on a grid of 2 x 2
    >>> masks.target.round(3)[0].tolist()
    [0.0, 0.167, 0.167, 0.167]
    """

    grid: tuple[int, ...]
    words: str
    law: MaskLaw
    frames: int = 1

    @classmethod
    def random(
        cls, grid: ArrayLike, context: float, target: float, *, disjoint: bool = True
    ) -> Masks:
        """Random tokens at a ratio.

        Parameters
        ----------
        grid : int or sequence of int
            Shape of the grid of tokens.
        context, target : float
            Shares of the tokens, in (0, 1); their numbers are rounded, at least one each.
        disjoint : bool
            Whether no token is in both; if not, the two are drawn independently.

        Returns
        -------
        Masks

        Raises
        ------
        ValueError, TypeError
            If an argument is out of range, or disjoint shares add up to more than 1.

        Examples
        --------
        >>> from dlnflow.data import Masks
        >>> seen, wanted = Masks.random(8, 0.5, 0.25, disjoint=False).sample(3, rng=0)
        >>> seen.sum(axis=1).tolist(), wanted.sum(axis=1).tolist()
        ([4, 4, 4], [2, 2, 2])
        """
        shape = _grid(grid)
        q, r = (
            _validate.number(name, value, _validate.fraction)
            for name, value in (("context", context), ("target", target))
        )
        m = prod(shape)
        seen, wanted = (max(1, round(share * m)) for share in (q, r))
        if disjoint:
            if q + r > 1.0 or m < 2:
                raise ValueError(
                    "context and target must have a sum of at most 1, and two tokens at least, or "
                    f"disjoint=False: got {q:g} + {r:g} of {m} tokens"
                )
            seen = min(seen, m - 1)
            wanted = min(wanted, m - seen)
        words = f"{seen} of {m} tokens as context and {wanted} as target, {_relation(disjoint)}"
        return cls(shape, words, TokensLaw(m, seen, wanted, disjoint))

    @classmethod
    def blocks(
        cls,
        grid: ArrayLike,
        *,
        context_scale: Range = (0.85, 1.0),
        target_scale: Range = (0.15, 0.2),
        aspect: Range = (0.75, 1.5),
        targets: int = 4,
        disjoint: bool = True,
    ) -> Masks:
        """A large square block as context and a smaller block as target, as in I-JEPA.

        Parameters
        ----------
        grid : two int
            Rows and columns of the grid of tokens.
        context_scale, target_scale : pair of float
            Range of the share of the grid that a block covers, in (0, 1].
        aspect : pair of float
            Range of the height of a target block over its width.
        targets : int
            Number of target blocks that are cut out of the context. One of them is the target;
            the others are those of other pairs.
        disjoint : bool
            Whether the target blocks are cut out of the context.

        Returns
        -------
        Masks

        Raises
        ------
        ValueError, TypeError
            If an argument is out of range or the grid has not two axes.

        Notes
        -----
        Defaults and sizes are those of M. Assran et al., *Self-Supervised Learning from Images with
        a Joint-Embedding Predictive Architecture* (CVPR 2023): one uniform number sets share and
        aspect. Here every block has a size of its own and any place in the grid, and no mask is
        drawn again for being small; their code draws one size per batch, and leaves out the last
        row and column.

        Examples
        --------
        >>> from dlnflow.data import Masks
        >>> seen, wanted = Masks.blocks((4, 4)).sample(1, rng=3)
        >>> print((seen + 2 * wanted).reshape(4, 4))         # 1 context, 2 target
        [[0 1 1 2]
         [0 1 1 1]
         [1 0 0 1]
         [1 1 1 1]]
        """
        shape = _grid(grid)
        if len(shape) != 2:
            raise ValueError(f"grid must be two numbers, rows and columns: got {described(grid)}")
        square = Block.of(shape, _range("context_scale", context_scale, 1.0), (1.0, 1.0))
        of_target = _range("target_scale", target_scale, 1.0), _range("aspect", aspect, np.inf)
        count = _validate.positive_integer("targets", targets)
        cut = f", {count} such blocks cut out" if disjoint else ", independent"
        law = BlocksLaw(square, Block.of(shape, *of_target), count if disjoint else 0)
        return cls(shape, f"a block as context and a block as target{cut}", law)

    def tubes(self, frames: int) -> Masks:
        """The same masks in every frame of a video.

        Parameters
        ----------
        frames : int
            Number of frames, or of groups of frames if tokens span several.

        Returns
        -------
        Masks
            On the grid ``(frames, *grid)``.

        Raises
        ------
        ValueError, TypeError
            If ``frames`` is not a positive integer.

        Examples
        --------
        >>> from dlnflow.data import Masks
        >>> seen, _ = Masks.random((2, 2), 0.5, 0.5).tubes(2).sample(1, rng=0)
        >>> seen.reshape(2, 4).astype(int).tolist()
        [[0, 1, 1, 0], [0, 1, 1, 0]]
        """
        count = _validate.positive_integer("frames", frames)
        return replace(self, grid=(count, *self.grid), frames=count * self.frames)

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return prod(self.grid)

    @cached_property
    def context(self) -> Array:
        """Probability that both of two tokens are in the context, shape (tokens, tokens)."""
        return self._in_every_frame(self.law.context())

    @cached_property
    def target(self) -> Array:
        """Probability that a token (row) is in the target and another (column) in the context."""
        return self._in_every_frame(self.law.target())

    def sample(self, n: int, rng: Seed = 0) -> tuple[Flags, Flags]:
        """``n`` independent pairs of masks.

        Parameters
        ----------
        n : int
        rng : int, Generator or None
            Seed or generator; None for a fresh seed.

        Returns
        -------
        context, target : bool array, shape (n, tokens)

        Raises
        ------
        ValueError, TypeError
            If ``n`` is not a positive integer or ``rng`` is neither a seed nor a generator.
        """
        count, random = _validate.positive_integer("n", n), _validate.generator("rng", rng)
        seen, wanted = self.law.draw(count, random)
        return np.tile(seen, (1, self.frames)), np.tile(wanted, (1, self.frames))

    def pairs(self, tokens: ArrayLike, rng: Seed = 0) -> tuple[Array, Array]:
        """Contexts and targets of your own data, each sample with masks of its own.

        Parameters
        ----------
        tokens : array, shape (n, *grid, k) or (n, tokens, k)
            Samples in tokens of ``k`` numbers, as `patches` makes them.
        rng : int, Generator or None
            Seed or generator; None for a fresh seed.

        Returns
        -------
        x, y : array, shape (n, tokens * k)
            Context and target. Tokens are centred over the samples, and 0 where they are absent.

        Raises
        ------
        ValueError, TypeError
            If ``tokens`` are not finite numbers or have another shape, or ``rng`` is neither a seed
            nor a generator.

        Examples
        --------
        >>> import numpy as np
        >>> from dlnflow.data import Masks, patches
        >>> images = np.random.default_rng(0).normal(size=(100, 8, 8))
        >>> tokens = patches(images, 4)
        >>> x, y = Masks.random((2, 2), 0.5, 0.5).pairs(tokens)
        >>> x.shape, bool((x * y).any())
        ((100, 64), False)
        """
        given = _validate.numbers("tokens", tokens)
        if given.ndim < 2 or given.shape[1:-1] not in (self.grid, (self.tokens,)):
            wanted = ", ".join(map(str, self.grid))
            raise ValueError(f"tokens must have shape (n, {wanted}, k): got {given.shape}")
        rows = samples_in_rows("tokens", flattened("tokens", given))
        return masked(rows - rows.mean(axis=0), self, rng)

    def _in_every_frame(self, probability: Array) -> Array:
        return read_only(np.tile(probability, (self.frames, self.frames)))

    __setstate__ = set_fields

    def __repr__(self) -> str:
        tubes = f", in tubes of {self.frames} frames" if self.frames > 1 else ""
        return f"Masks: {self.words}{tubes}, on a grid of {' x '.join(map(str, self.grid))}"


def masked(rows: Array, masks: Masks, rng: Seed) -> tuple[Array, Array]:
    """The context and the target of each row of tokens, 0 where a token is absent."""
    shape = (len(rows), masks.tokens, -1)
    x, y = (
        np.where(mask[:, :, None], rows.reshape(shape), 0.0).reshape(rows.shape)
        for mask in masks.sample(len(rows), rng)
    )
    return x, y


def _grid(grid: ArrayLike) -> tuple[int, ...]:
    shape = np.atleast_1d(_validate.depth("grid", grid))
    if shape.ndim != 1:
        raise ValueError(f"grid must be one number for each axis: got shape {shape.shape}")
    return tuple(shape.tolist())


def _range(name: str, pair: Range, largest: float) -> Range:
    ends = _validate.positive(name, pair)
    if ends.shape != (2,) or not ends[0] <= ends[1] <= largest:
        limit = f", at most {largest:g}" if np.isfinite(largest) else ""
        raise ValueError(
            f"{name} must be two rising positive numbers{limit}: got {described(pair)}"
        )
    return float(ends[0]), float(ends[1])


def _relation(disjoint: bool) -> str:
    return "disjoint" if disjoint else "independent"
