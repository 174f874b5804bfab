"""The recipes in `book/experiments` and what was recorded of them: each result is that of
its recipe, and its numbers fit together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nndl.experiments import read

FOLDER = Path(__file__).parents[1] / "book" / "experiments"
RECIPES = sorted(path.stem for path in FOLDER.glob("*.toml"))
RESULTS = sorted(path.stem for path in (FOLDER / "results").glob("*.json"))
RUNS = [
    (name, run["framework"], run["seed"])
    for name in RESULTS
    for run in json.loads((FOLDER / "results" / f"{name}.json").read_text())["runs"]
]


def recorded(name):
    return json.loads((FOLDER / "results" / f"{name}.json").read_text())


def test_the_recipes_are_those_of_the_book():
    assert RECIPES == ["course-cnn", "deep90", "fast65", "fast80", "fully-connected"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_an_experiment_on_cifar10(name):
    experiment = read(FOLDER / f"{name}.toml")
    assert experiment.tables["data"] == {
        "name": "cifar10",
        "whiten": name != "course-cnn",
    }


def test_the_courses_recipe_is_theirs():
    """64 filters of 3x3, 500 hidden units, regularization 1e-3, Adam with 1e-3 that
    decays by 0.9 an epoch, minibatches of 500, 10 epochs."""
    tables = read(FOLDER / "course-cnn.toml").tables
    net = read(FOLDER / "course-cnn.toml").network()
    assert {name: w.shape for name, w in net.params.items() if name[0] == "W"} == {
        "W1": (64, 3, 3, 3),
        "W2": (64 * 16 * 16, 500),
        "W3": (500, 10),
    }
    assert tables["network"]["reg"] == 1e-3
    assert (tables["optimizer"]["rule"], tables["optimizer"]["learning_rate"]) == (
        "adam",
        1e-3,
    )
    training = tables["training"]
    assert (training["lr_decay"], training["batch_size"], training["epochs"]) == (
        0.9,
        500,
        10,
    )
    assert "augmentation" not in tables
    assert "schedule" not in tables


@pytest.mark.parametrize("name", RESULTS)
def test_results_belong_to_the_recipe_as_it_is_now(name):
    experiment = read(FOLDER / f"{name}.toml")
    assert recorded(name)["experiment"] == name
    assert recorded(name)["settings"] == json.loads(json.dumps(experiment.tables))


@pytest.mark.parametrize("name", RECIPES)
def test_steps_were_timed_beside_pytorchs(name):
    steps = recorded(name)["steps"]
    assert steps["seconds"].keys() == {"nndl", "pytorch"}
    assert all(0 < seconds < 10 for seconds in steps["seconds"].values())
    assert "torch" in steps["versions"]
    assert "dirty" not in steps["revision"]
    assert steps["machine"]["cores"] == steps["machine"]["threads"] == 2
    assert "re-encoded" in steps["data"]["origin"]


@pytest.mark.parametrize(("name", "framework", "seed"), RUNS)
def test_the_numbers_of_a_run_fit_together(name, framework, seed):
    (run,) = (
        run
        for run in recorded(name)["runs"]
        if (run["framework"], run["seed"]) == (framework, seed)
    )
    epochs = run["epochs"]
    training = recorded(name)["settings"]["training"]
    assert [e["epoch"] for e in epochs] == [*range(1, training["epochs"] + 1)]
    seconds = [e["seconds"] for e in epochs]
    assert seconds == sorted(seconds)
    assert seconds[-1] <= run["seconds"] + 0.01
    assert run["best_val_acc"] >= max(e["val_acc"] for e in epochs)
    for part, images in (("validation", 1000), ("test", 10_000)):
        confusion = np.array(run[part]["confusion"])
        assert confusion.shape == (10, 10)
        assert confusion.sum() == run[part]["images"] == images
        assert np.trace(confusion) / images == run[part]["accuracy"]
        assert set(confusion.sum(axis=1)) <= (
            {1000} if part == "test" else set(range(50, 150))
        )
    assert "dirty" not in run["revision"]
    assert run["machine"]["cores"] == run["machine"]["threads"] == 2
    assert run["data"]["name"] == "cifar10"
