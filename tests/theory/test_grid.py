"""Default times: every transition is resolved, and the description says the truth."""

import re

import numpy as np
import pytest

import dlnflow

LOW, HIGH = 0.1, 0.9


def random_modes(rng, number, decades):
    lam = 10 ** rng.uniform(-decades / 2, decades / 2, number)
    return {
        "lam": lam,
        "rho": 10 ** rng.uniform(-1.5, 0.3, number),
        "L": int(rng.integers(1, 8)),
        "eps": 10 ** rng.uniform(-5, -1),
    }


def counts(part):
    """For every mode that rises through its transition, how many times fall into it."""
    rest = part.plateau[..., None]
    share = np.divide(part.w, rest, out=np.zeros_like(part.w), where=rest > 0)
    passed = (share[..., 0] < LOW) & (share[..., -1] > HIGH)
    return ((share > LOW) & (share < HIGH)).sum(axis=-1)[passed]


def widths(part):
    """Of the transitions that exist, in spacings of floats at that time."""
    early, late = (np.ravel(part.critical_time(p)) for p in (LOW, HIGH))
    there = np.isfinite(late) & (early > 0)
    return (late[there] - early[there]) / np.spacing(late[there])


@pytest.mark.parametrize("decades", [1, 6, 12])
@pytest.mark.parametrize("number", [1, 7, 50, 100])
def test_every_transition_is_resolved_however_far_apart_they_lie(decades, number):
    rng = np.random.default_rng([decades, number])
    for _ in range(3):
        sim = dlnflow.simulate(**random_modes(rng, number, decades))
        for part in sim.values():
            wide = widths(part)
            assert wide.size == 0 or wide.min() > 100
            assert counts(part).size == wide.size
            assert wide.size == 0 or counts(part).min() >= 3
            if number >= 50:
                positive = part.critical_time()[part.critical_time() > 0]
                assert np.ptp(np.log10(positive)) > decades / 2


def test_as_many_even_times_would_miss_transitions():
    modes = random_modes(np.random.default_rng(0), 50, 6)
    part = dlnflow.simulate(**modes, objective="jepa")["jepa"]
    even = dlnflow.simulate(**modes, objective="jepa", t=np.linspace(0, part.t[-1], part.t.size))[
        "jepa"
    ]
    assert counts(part).min() >= 3
    assert counts(even).min() == 0


@pytest.mark.parametrize("number", [1, 20, 300])
def test_every_objective_has_as_many_times_from_zero_strictly_rising(number):
    modes = random_modes(np.random.default_rng(number), number, 4) | {"L": 3}
    sim = dlnflow.simulate(**modes, objective=("mae", "jepa", "layer-1"))
    assert len({part.t.size for part in sim.values()}) == 1
    for part in sim.values():
        assert part.t[0] == 0.0
        assert np.all(np.diff(part.t) > 0)
        assert 400 <= part.t.size <= 2000
        assert f"{part.t.size} times from 0 to {part.t[-1]:.4g}" in part.grid
    ends = [part.t[-1] for part in sim.values()]
    assert len(set(ends)) == 3, "each has times of its own"


@pytest.mark.parametrize("number", [1, 12, 100, 400])
@pytest.mark.parametrize("signs", [1, -1])
def test_the_description_counts_right(number, signs):
    rng = np.random.default_rng(number)
    modes = random_modes(rng, number, 5)
    if signs < 0:
        sign = np.sign(rng.uniform(-1, 2, number))
        modes |= {"lam": modes["lam"] * sign, "rho": modes["rho"] * sign}
    for part in dlnflow.simulate(**modes).values():
        inside = counts(part)
        if inside.size == 0:
            assert "no mode rises" in part.grid
        elif inside.min() >= 3:
            assert f"every transition resolved: 0.1 to 0.9 of each plateau in {inside.min()} " in (
                part.grid
            )
        else:
            few = int((inside < 3).sum())
            assert f"{few} of {inside.size} transitions hold fewer than 3" in part.grid
            assert "every transition resolved" not in part.grid


def test_transitions_narrower_than_the_spacing_of_floats_are_owned_up_to():
    part = dlnflow.simulate([1.0, 1.3], [0.9, 1.0], 20, eps=1e-30, objective="jepa")["jepa"]
    assert widths(part).max() < 1
    said = re.search(r"(\d) of 2 transitions hold fewer than 3 .* the spacing of floats", part.grid)
    assert said
    assert int(said[1]) == (counts(part) < 3).sum() == 2
    assert np.all(np.diff(part.t) > 0)


def test_what_falls_does_not_stretch_the_times():
    """Suppressed and noise modes die out as powers of time, long after all is learned."""
    lam, rho, variance = np.array([1.0, 1.3]), np.array([0.9, 0.4]), np.array([1 / 0.9, 1.3 / 0.4])
    learned = dlnflow.simulate(lam, rho, 3)
    mixed = dlnflow.simulate(
        [*lam, -1e-6, 0.0, 0.0],
        [*rho, -1e-3, 0.0, 0.0],
        3,
        variance=[*variance, 1e-3, 1e-7, 1e3],
    )
    for name in ("jepa", "mae"):
        assert mixed[name].t[-1] == learned[name].t[-1]
        assert counts(mixed[name]).size == 2
        assert counts(mixed[name]).min() >= 3
        never_fell = mixed[name].w[2, -1] / 1e-3
        assert never_fell > 0.9


@pytest.mark.parametrize(
    ("lam", "rho", "variance"), [(-1.0, -0.5, None), (0.0, 0.0, 2.0), (1.0, 1e-6, None)]
)
def test_where_all_falls_the_fall_is_shown(lam, rho, variance):
    for part in dlnflow.simulate(lam, rho, 2, eps=0.1, variance=variance).values():
        assert "no mode rises" in part.grid
        assert part.w[-1] < 0.5 * part.w[0]
        assert np.all(np.diff(part.t) > 0)


def test_the_times_end_when_the_slowest_is_learned():
    modes = random_modes(np.random.default_rng(3), 30, 4) | {"eps": 1e-6, "L": 2}
    for part in dlnflow.simulate(**modes).values():
        assert np.all(part.w[:, -1] > 0.999 * part.plateau)
        assert part.t[-1] < 30 * part.critical_time().max()


def test_given_times_are_described_as_given():
    part = dlnflow.simulate(1.0, 0.5, 1, t=[0.5, 2, 7])["mae"]
    assert part.grid == "3 times from 0.5 to 7, as given"
