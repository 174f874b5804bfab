"""Scores of many images, confusions, and the worst mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from nndl.cnn import ConvNet
from nndl.evaluation import confusion_matrix, predict_scores, worst_mistakes


@pytest.fixture
def net():
    return ConvNet("conv 3 - bn - relu - pool", (3, 6, 6), 4, dtype=np.float64, rng=0)


def images(N=11):
    return np.random.default_rng(0).standard_normal((N, 3, 6, 6))


@pytest.mark.parametrize("batch_size", [1, 4, 250])
def test_scores_are_those_of_each_image(net, batch_size):
    X = images()
    scores = predict_scores(net, X, batch_size=batch_size)
    for i in range(len(X)):
        np.testing.assert_allclose(scores[i], net.loss(X[i : i + 1])[0], rtol=1e-12)


def test_mirrored_scores_do_not_change_when_the_images_are_mirrored(net):
    X = images()
    scores = predict_scores(net, X, mirrored=True)
    other = predict_scores(net, X[..., ::-1], mirrored=True)
    np.testing.assert_allclose(scores, other, rtol=1e-12)
    plain = predict_scores(net, X)
    assert np.abs(plain - predict_scores(net, X[..., ::-1])).max() > 1e-3
    np.testing.assert_allclose(
        scores, (plain + predict_scores(net, X[..., ::-1])) / 2, rtol=1e-12
    )


def test_a_score_that_is_no_number_is_an_error(net):
    net.params["b2"][1] = np.nan
    with pytest.raises(FloatingPointError, match="scores hold NaN"):
        predict_scores(net, images())


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.zeros((0, 3, 6, 6)), {}, "`X` must hold images"),
        (np.float64(1), {}, "`X` must hold images"),
        (np.zeros((2, 108)), {"mirrored": True}, "to be mirrored"),
        (np.zeros((2, 3, 6, 7)), {}, "`X` must have shape"),
        (images(), {"batch_size": 0}, "`batch_size` must be at least 1"),
        (images(), {"mirrored": "no"}, "`mirrored` must be True or False"),
    ],
)
def test_wrong_arguments_are_named(net, X, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        predict_scores(net, X, **options)


def test_a_model_must_have_a_loss():
    with pytest.raises(TypeError, match=r"`model` must have .* a method `loss`"):
        predict_scores(object(), images())


def test_confusions_are_counted_by_class_and_answer():
    y, predicted = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 1, 1, 1, 0, 2])
    counts = confusion_matrix(y, predicted, 4)
    expected = [[1, 2, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(counts, expected)


def test_rows_columns_and_diagonal_add_up():
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(7, size=(2, 1000))
    counts = confusion_matrix(y, predicted, 7)
    np.testing.assert_array_equal(counts.sum(axis=1), np.bincount(y, minlength=7))
    np.testing.assert_array_equal(
        counts.sum(axis=0), np.bincount(predicted, minlength=7)
    )
    assert np.trace(counts) == (y == predicted).sum()


@pytest.mark.parametrize(
    ("y", "predicted", "C", "message"),
    [
        ([0, 3], [0, 0], 3, "`y` must hold classes from 0 to 2, but holds 3"),
        ([0, 1], [0, -1], 3, "`predicted` must hold classes"),
        ([0, 1], [0], 3, "`y` and `predicted` must be of one length"),
        ([[0]], [0], 3, r"`y` must have shape \(N,\)"),
        ([0.5], [0], 3, "`y` must be an array of integers"),
        ([0], [0], 0, "`num_classes`"),
    ],
)
def test_what_are_no_classes_is_refused(y, predicted, C, message):
    with pytest.raises((TypeError, ValueError), match=message):
        confusion_matrix(y, predicted, C)


def test_the_worst_mistakes_come_first_and_right_answers_never():
    scores = np.array([[3, 0, 0], [0, 5, 0], [9, 0, 1], [0, 2, 0], [1, 1, 0.0]])
    y = np.array([0, 0, 2, 2, 1])
    assert worst_mistakes(scores, y).tolist() == [2, 1, 3]
    assert worst_mistakes(scores, y, 1).tolist() == [2]
    assert worst_mistakes(scores, np.array([0, 1, 0, 1, 0])).tolist() == []


@pytest.mark.parametrize(
    ("scores", "y", "message"),
    [
        (np.zeros(3), [0], r"`scores` must have shape \(N, C\)"),
        (np.zeros((2, 3)), [0], "`scores` and `y` must be of one length"),
        (np.zeros((1, 3)), [3], "`y` must hold classes from 0 to 2"),
    ],
)
def test_scores_and_labels_must_fit(scores, y, message):
    with pytest.raises(ValueError, match=message):
        worst_mistakes(scores, y)
