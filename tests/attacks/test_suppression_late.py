"""The reader who knows who could deliver anew since a release: whoever could not covers no change of another."""

from dataclasses import replace

import numpy as np
import pytest

from tests.disclosure.test_correction import corrected, moved, narrowed
from tests.disclosure.world import at_random


@pytest.mark.parametrize("seed", [10, 33, 39])
def test_only_who_may_have_changed_is_late(seed: int) -> None:
    """Corrected with the shops that changed nothing is narrowed; with two more on the list, a reader narrows some."""
    rng = np.random.default_rng(seed)
    before = replace(at_random(seed), owners=False)
    shops = [str(shop) for shop in rng.permutation(list(before.places["shop"]))]
    late, others = shops[:2], shops[2:4]
    after = moved(before, late, rng)
    assert narrowed(before, after, corrected(before, after, late), late).empty
    assert len(narrowed(before, after, corrected(before, after, [*late, *others]), late)) > 0
