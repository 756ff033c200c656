"""Arguments that were positional once are accepted so, with a warning that names them."""

import numpy as np
import pytest

from dlnflow import network
from dlnflow._common._keyword_only import positional_until_removed

DATA = np.diag([1.0, 2.0]), np.diag([0.9, 1.0])


@positional_until_removed(1, "second", "third")
def sample(first, *, second=0, third=0):
    return first, second, third


def test_by_name_nothing_is_said():
    assert sample(1, second=2, third=3) == (1, 2, 3)
    assert sample(1) == (1, 0, 0)


def test_by_place_the_value_arrives_with_a_warning():
    with pytest.warns(DeprecationWarning, match="sample takes second and third by name: write"):
        assert sample(1, 2, 3) == (1, 2, 3)
    with pytest.warns(DeprecationWarning, match=r"takes second by name: write second=\.\.\.$"):
        assert sample(1, 2, third=3) == (1, 2, 3)


@pytest.mark.parametrize(("args", "named"), [((1, 2, 3, 4), {}), ((1, 2), {"second": 2}), ((), {})])
def test_what_was_never_allowed_is_still_refused(args, named):
    with pytest.raises(TypeError):
        sample(*args, **named)


def test_a_network_is_trained_with_the_objective_by_place():
    net = network.balanced(*DATA, L=1, eps=0.1)
    with pytest.warns(DeprecationWarning, match="gradient_flow takes objective and t by name"):
        old = network.gradient_flow(net, *DATA, "mae", [0.0, 1.0])
    new = network.gradient_flow(net, *DATA, objective="mae", t=[0.0, 1.0])
    assert np.array_equal(old.w, new.w)
    assert not np.array_equal(old.w, network.gradient_flow(net, *DATA, t=[0.0, 1.0]).w)
