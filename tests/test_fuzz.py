"""No array and no setting makes compiled code crash, hang or give a wrong number: a few
hostile calls of every function, always the same. `make fuzz` makes many others."""

from __future__ import annotations

import os
import zlib
from collections import Counter

import pytest
from hostile_calls import CALLS
from hostile_checks import REFUSED, attack

EXAMPLES = int(os.environ.get("NNDL_FUZZ_EXAMPLES", "70"))


@pytest.fixture(scope="module")
def what_came() -> Counter[str]:
    """What came of the calls of all functions so far."""
    return Counter()


@pytest.mark.parametrize("name", CALLS)
def test_a_hostile_call_gives_what_the_readable_twin_gives_or_its_error(
    name, what_came
):
    came = attack(name, EXAMPLES, zlib.crc32(name.encode()))
    assert came.total() >= EXAMPLES
    what_came += came


def test_most_hostile_calls_reach_the_kernels_and_some_are_refused(what_came):
    """What the checks refuse says nothing of the kernels, and the other way round."""
    came = what_came or attack("conv", EXAMPLES, 0)
    assert 0.05 < came[REFUSED] / came.total() < 0.4, came
