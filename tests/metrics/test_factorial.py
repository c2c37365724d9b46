"""An effect divided among its causes: worked by hand, adding up, fair to bystanders."""

import numpy as np
import pytest

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import factorial


def outcome(**values: float) -> dict[frozenset[str], np.ndarray]:
    return {frozenset(name.replace("_", "")): np.array([value]) for name, value in values.items()}


def test_two_causes_that_work_better_together_share_as_worked_by_hand() -> None:
    found = factorial.effects(outcome(_=1, a=3, b=2, ab=10), ("a", "b"))
    # a first: 3 - 1, a second: 10 - 2; b first: 2 - 1, b second: 10 - 3
    assert found["a"].share.tolist() == [(2 + 8) / 2]
    assert found["b"].share.tolist() == [(1 + 7) / 2]
    assert (found["a"].alone.tolist(), found["a"].last.tolist()) == ([2], [8])


def test_the_shares_add_up_to_the_whole_effect_and_a_bystander_gets_none() -> None:
    rng = np.random.default_rng(0)
    table = {chosen: rng.random(5) for chosen in factorial.subsets("abc")}
    table |= {chosen | {"d"}: values for chosen, values in table.items()}
    found = factorial.effects(table, "abcd")
    whole = table[frozenset("abcd")] - table[frozenset()]
    np.testing.assert_allclose(sum(effect.share for effect in found.values()), whole, atol=1e-15)
    np.testing.assert_allclose(found["d"].share, 0, atol=1e-15)


def test_every_combination_is_tried_once() -> None:
    tried = list(factorial.subsets("abc"))
    assert len(tried) == len(set(tried)) == 8
    assert tried[0] == frozenset()


def test_a_missing_combination_is_named() -> None:
    with pytest.raises(EvaluationError, match=r"1 of 4 .* \['a', 'b'\]"):
        factorial.effects(outcome(_=1, a=3, b=2), ("a", "b"))
