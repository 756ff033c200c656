"""Masks have the probabilities that they state; frames and patches are those of the array."""

import itertools
import pickle

import numpy as np
import pytest

import dlnflow
from dlnflow.data import Masks, frames, patches
from dlnflow.generative import MaskedTokens, Masking

SIGMAS = 5.0
MASKS = {
    "random": Masks.random((2, 3), 0.5, 0.3),
    "random, independent": Masks.random((2, 3), 0.5, 0.7, disjoint=False),
    "blocks": Masks.blocks((4, 5)),
    "one block": Masks.blocks((3, 4), context_scale=(0.3, 0.9), targets=1),
    "blocks, independent": Masks.blocks((4, 3), target_scale=(0.1, 0.6), disjoint=False),
    "tubes": Masks.random((2, 2), 0.5, 0.5).tubes(2),
    "tubes of blocks": Masks.blocks((3, 3)).tubes(2),
}
DISJOINT = [name for name in MASKS if "independent" not in name]
INDEPENDENT = [name for name in MASKS if "independent" in name]


def deviations(masks, stated, n=40_000):
    """Frequencies of pairs of tokens less stated probabilities, in standard errors."""
    seen, wanted = (mask.astype(float) for mask in masks.sample(n, rng=1))
    found = []
    for first, expected in ((seen, stated.context), (wanted, stated.target)):
        error = np.sqrt(expected * (1.0 - expected) / n)
        apart = np.abs(first.T @ seen / n - expected)
        found.append(np.where(error > 0.0, apart / np.maximum(error, 1e-300), apart * 1e300).max())
    return found


@pytest.mark.parametrize("name", MASKS)
def test_samples_have_the_probabilities_of_the_masks(name):
    assert max(deviations(MASKS[name], MASKS[name])) < SIGMAS


@pytest.mark.parametrize("name", ["random", "blocks", "tubes"])
def test_samples_have_not_the_probabilities_of_other_masks(name):
    grid, tubes = MASKS[name].grid, name == "tubes"
    space = grid[1:] if tubes else grid
    others = [
        Masks.random(space, 0.5, 0.3, disjoint=False),
        Masks.blocks(space, disjoint=False),
        Masks.blocks(space, targets=3),
    ]
    others = [other.tubes(grid[0]) for other in others] if tubes else others
    for other in [*others, *([Masks.random(grid, 0.5, 0.5)] if tubes else [])]:
        assert max(deviations(MASKS[name], other)) > SIGMAS


def test_random_tokens_have_the_probabilities_of_all_choices():
    """Three tokens of five as context and one of the others as target, one by one."""
    choices = [
        (seen, wanted)
        for seen in itertools.combinations(range(5), 3)
        for wanted in set(range(5)) - set(seen)
    ]
    both, across = np.zeros((5, 5)), np.zeros((5, 5))
    for seen, wanted in choices:
        both[np.ix_(seen, seen)] += 1.0 / len(choices)
        across[wanted, list(seen)] += 1.0 / len(choices)
    masks = Masks.random(5, context=0.6, target=0.2)
    np.testing.assert_allclose(masks.context, both, rtol=1e-12)
    np.testing.assert_allclose(masks.target, across, rtol=1e-12, atol=1e-15)


def test_blocks_of_one_size_have_the_probabilities_of_all_places():
    """Blocks of 1 x 2 in 2 x 3, cut out of a context that is the whole grid."""
    whole, half = (1.0, 1.0), (1.0 / 3.0, 1.0 / 3.0)
    masks = Masks.blocks(
        (2, 3), context_scale=whole, target_scale=half, aspect=(0.5, 0.5), targets=2
    )
    places = [{3 * row + column, 3 * row + column + 1} for row in (0, 1) for column in (0, 1)]
    both, across = np.zeros((6, 6)), np.zeros((6, 6))
    for target, other in itertools.product(places, places):
        seen = [token for token in range(6) if token not in target | other]
        both[np.ix_(seen, seen)] += 1.0 / 16.0
        across[np.ix_(list(target), seen)] += 1.0 / 16.0
    square = masks.law.square.together()  # a square of two rows: one column is outside
    np.testing.assert_allclose(masks.context, both * square, rtol=1e-12)
    np.testing.assert_allclose(masks.target, across * np.diag(square), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", DISJOINT)
def test_disjoint_masks_share_no_token(name):
    seen, wanted = MASKS[name].sample(500)
    assert not (seen & wanted).any()
    assert not np.diag(MASKS[name].target).any()
    assert wanted.any(axis=1).all()


@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent_masks_share_tokens_as_often_as_chance_says(name):
    masks = MASKS[name]
    seen, wanted = masks.sample(500)
    assert (seen & wanted).any()
    alone = wanted.mean(axis=0)
    expected = np.outer(alone, np.diag(masks.context))
    np.testing.assert_allclose(masks.target, expected, atol=0.1)


def test_blocks_are_rectangles_and_tubes_repeat_them():
    masks = Masks.blocks((6, 7)).tubes(3)
    for wanted in masks.sample(50)[1].reshape(50, 3, 6, 7):
        assert (wanted == wanted[0]).all()
        rows, columns = wanted[0].any(axis=1), wanted[0].any(axis=0)
        assert np.array_equal(wanted[0], rows[:, None] & columns)
        assert np.diff(np.flatnonzero(rows)).max(initial=1) == 1
        assert np.diff(np.flatnonzero(columns)).max(initial=1) == 1


def test_blocks_have_the_sizes_of_the_paper_on_its_grid():
    """14 x 14 patches: targets cover 15 to 20 %, the context at most all of it."""
    seen, wanted = Masks.blocks((14, 14), disjoint=False).sample(2000)
    assert 0.14 < wanted.mean(axis=1).min() < wanted.mean(axis=1).max() < 0.21
    assert 0.82 < seen.mean(axis=1).min() < seen.mean(axis=1).max() == 1.0


@pytest.mark.parametrize("name", MASKS)
def test_masked_tokens_have_the_covariances_of_their_samples(name):
    masks = MASKS[name]
    d = 2 * masks.tokens
    root = np.random.default_rng(0).normal(size=(d, d + 1))
    model = MaskedTokens(root @ root.T / d, masks)
    x, y = model.sample(40_000, rng=2)
    for u, expected in zip((x, y), model.covariances(), strict=True):
        products = u.T @ x / len(x)
        error = np.sqrt(np.maximum((u**2).T @ x**2 / len(x) - products**2, 0.0) / len(x))
        apart = np.abs(products - expected)
        assert (apart <= SIGMAS * error + 1e-12).all()


def test_independent_masks_of_a_vector_have_its_covariance():
    covariance = np.array([[1.0, 0.6], [0.6, 2.0]])
    model = Masking(covariance, 0.5, 0.75, disjoint=False)
    np.testing.assert_allclose(model.covariances()[1], 0.375 * covariance)
    x, y = model.sample(200_000, rng=0)
    np.testing.assert_allclose(y.T @ x / len(x), 0.375 * covariance, atol=0.02)
    np.testing.assert_allclose(x.T @ x / len(x), model.covariances()[0], atol=0.02)
    with pytest.raises(ValueError, match=r"sum of at most 1.* or disjoint=False: got 0.5 \+ 0.75"):
        Masking(covariance, 0.5, 0.75)


def test_pairs_of_own_data_are_its_centred_tokens_where_the_masks_are():
    images = 5.0 + np.random.default_rng(0).normal(size=(300, 8, 6, 3))
    tokens, masks = patches(images, (4, 2)), Masks.random((2, 3), 0.5, 0.5)
    x, y = masks.pairs(tokens, rng=4)
    seen, wanted = masks.sample(300, rng=4)
    centred = (tokens - tokens.mean(axis=0)).reshape(300, 6, 24)
    np.testing.assert_allclose(x, (centred * seen[:, :, None]).reshape(300, -1), atol=1e-12)
    np.testing.assert_allclose(y, (centred * wanted[:, :, None]).reshape(300, -1), atol=1e-12)
    again = masks.pairs(tokens.reshape(300, 6, 24), rng=4)
    np.testing.assert_array_equal(again, (x, y))
    assert not np.array_equal(masks.pairs(tokens, rng=5)[0], x)


def test_the_modes_of_masked_data_are_those_of_its_model():
    root = np.random.default_rng(0).normal(size=(8, 9))
    model = MaskedTokens(root @ root.T / 9.0, Masks.blocks((2, 2)))
    whole = np.random.default_rng(1).multivariate_normal(np.ones(8), model.covariance, 60_000)
    pairs = model.masks.pairs(whole.reshape(-1, 2, 2, 2))
    found = dlnflow.Spectrum.from_samples(*pairs)
    np.testing.assert_allclose(found.lam, model.spectrum().lam, atol=0.03)


def test_masks_can_be_pickled_and_not_changed():
    for masks in MASKS.values():
        again = pickle.loads(pickle.dumps(masks))
        np.testing.assert_array_equal(again.context, masks.context)
        np.testing.assert_array_equal(again.sample(5), masks.sample(5))
        with pytest.raises(ValueError, match="read-only"):
            again.context[0, 0] = 1.0


def test_patches_are_cut_row_by_row():
    images = np.random.default_rng(0).normal(size=(2, 4, 6, 3))
    tokens = patches(images, (2, 3))
    assert tokens.shape == (2, 2, 2, 18)
    np.testing.assert_array_equal(tokens[1, 0, 1], images[1, :2, 3:].ravel())
    video = np.random.default_rng(0).normal(size=(2, 4, 4, 6))
    np.testing.assert_array_equal(
        patches(video, (2, 2, 3))[0, 1, 0, 1], video[0, 2:, :2, 3:].ravel()
    )
    assert patches(images.astype(np.uint8), (2, 3)).dtype == np.uint8


def test_frames_never_make_pairs_across_videos():
    videos = [np.full((n, 2, 2), 10.0 * n) + np.arange(n)[:, None, None] for n in (3, 5, 4)]
    x, y = frames(*videos, lag=2)
    assert x.shape == (1 + 3 + 2, 4)
    np.testing.assert_array_equal(y - x, np.full((6, 4), 2.0))
    whole = np.concatenate(videos)
    across = frames(whole, lag=2)
    assert not np.array_equal(across[1] - across[0], np.full((10, 4), 2.0))


VIDEO, TOKENS = np.zeros((5, 2, 2)), np.zeros((3, 2, 2, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frames(), "videos must hold at least one video: got none"),
        (lambda: frames(VIDEO, VIDEO[:2], lag=2), r"videos\[1\] must hold more than lag = 2 .* 2$"),
        (lambda: frames(VIDEO, np.zeros((5, 3, 2))), r"videos\[1\] must have frames of 4 numbers"),
        (lambda: frames(VIDEO, lag=0), "lag must be a positive integer: got 0"),
        (lambda: patches(VIDEO, 3), r"images must have shape .* \[3, 3\] divides.*\(5, 2, 2\)"),
        (lambda: patches(VIDEO, (1, 1, 1)), "images must have shape .* with 3 axes"),
        (lambda: patches(VIDEO, 0), "size must be a positive integer: got 0"),
        (lambda: Masks.random((2, 2), 0.75, 0.5), "sum of at most 1.*disjoint=False: got 0.75"),
        (lambda: Masks.random((2, 2), 1.5, 0.5), r"context must lie in \(0, 1\): got 1.5"),
        (lambda: Masks.random(1, 0.5, 0.5), "two tokens at least.*of 1 tokens"),
        (lambda: Masks.blocks(4), "grid must be two numbers, rows and columns: got 4"),
        (lambda: Masks.blocks((2, 0)), "grid must be a positive integer: got 0"),
        (lambda: Masks.blocks((2, 2), aspect=(2.0, 1.0)), "aspect must be two rising positive"),
        (lambda: Masks.blocks((2, 2), target_scale=(0.5, 2.0)), "target_scale .* at most 1: got"),
        (lambda: Masks.blocks((2, 2), targets=0), "targets must be a positive integer: got 0"),
        (lambda: MASKS["tubes"].tubes(0), "frames must be a positive integer: got 0"),
        (lambda: MASKS["tubes"].sample(0), "n must be a positive integer: got 0"),
        (lambda: MASKS["random"].pairs(TOKENS), r"shape \(n, 2, 3, k\): got \(3, 2, 2, 4\)"),
        (lambda: MaskedTokens(np.eye(7), MASKS["random"]), "multiple of 6 rows.*got 7"),
        (lambda: MaskedTokens(np.zeros((6, 6)), MASKS["random"]), "got all zeros"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_masks_of_another_kind_are_refused():
    with pytest.raises(TypeError, match=r"masks must be a dlnflow.data.Masks: got 3"):
        MaskedTokens(np.eye(6), 3)
