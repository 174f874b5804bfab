"""Every wrong function of the catalogue is found wrong for its right cause, and no right
one is rejected."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

import check_catalogue
import pytest
from check_catalogue.entries import ENTRIES

from nndl.check import check

for module in pkgutil.iter_modules(check_catalogue.__path__):
    importlib.import_module(f"check_catalogue.{module.name}")
WRONG = [entry for entry in ENTRIES if entry.wrong]
RIGHT = [entry for entry in ENTRIES if not entry.wrong]


def result_of(entry):
    families = sys.modules[f"check_catalogue.{entry.family}"]
    forward = entry.forward or getattr(families, "FORWARD", {}).get(entry.name)
    return check(entry.function, entry.name, forward=forward, hint=3)


def title(entry):
    return f"{entry.family}-{entry.name}-{entry.title}".replace(" ", "_")


@pytest.mark.parametrize("entry", WRONG, ids=title)
def test_a_wrong_function_is_caught_and_its_cause_named(entry):
    start = time.thread_time()
    result = result_of(entry)
    assert not result.passed
    assert result.findings[0].where
    assert result.findings[0].cause in entry.causes, result
    assert time.thread_time() - start < 2


@pytest.mark.parametrize("entry", RIGHT, ids=title)
def test_a_right_function_is_not_rejected(entry):
    result = result_of(entry)
    assert result.passed, result
    assert not result.findings


@pytest.mark.parametrize(
    "kind",
    [
        "affine", "batchnorm", "layernorm", "dropout", "softmax", "svm", "convolution", "pooling",
        "spatial_batchnorm", "groupnorm", "adam", "sandwiches",
    ],
)  # fmt: skip
def test_the_catalogue_has_a_dozen_mistakes_of_each_kind(kind):
    found = {entry.title for entry in WRONG if kind in (entry.family, entry.name)}
    assert len(found) >= 12


def test_the_catalogue_has_right_functions_too():
    assert len({(entry.name, entry.title) for entry in RIGHT}) >= 40
