"""The two-layer network of CS231n's first assignment (up to 2020), which trains
itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import layers
from ..._arguments import Array


class TwoLayerNet:
    """A network affine - ReLU - affine - softmax.

    Parameters
    ----------
    input_size, hidden_size, output_size : int
        Numbers in an example, hidden units, classes.
    std : float, optional
        Standard deviation of the initial weights.

    Attributes
    ----------
    params : dict
        ``W1`` (D, H), ``b1`` (H,), ``W2`` (H, C), ``b2`` (C,).
    """

    #: The L2 penalty is this times ``reg * sum(W ** 2)``.
    _PENALTY = 1.0

    def __init__(
        self, input_size: int, hidden_size: int, output_size: int, std: float = 1e-4
    ) -> None:
        self.params = {
            "W1": std * np.random.randn(*self._shape(input_size, hidden_size)),
            "b1": np.zeros(hidden_size),
            "W2": std * np.random.randn(*self._shape(hidden_size, output_size)),
            "b2": np.zeros(output_size),
        }

    def _shape(self, inputs: int, outputs: int) -> tuple[int, int]:
        return inputs, outputs

    def _weights(self, name: str) -> Array:
        """Return a weight matrix with an input a row."""
        return self.params[name]

    def loss(self, X: Array, y: Array | None = None, reg: float = 0.0) -> Any:
        """Return the scores of a minibatch (N, D); or, with labels, its loss with the L2
        penalty and a dict of gradients."""
        W1, W2 = self._weights("W1"), self._weights("W2")
        hidden, affine_cache = layers.affine_forward(X, W1, self.params["b1"])
        hidden, relu_cache = layers.relu_forward(hidden)
        scores, scores_cache = layers.affine_forward(hidden, W2, self.params["b2"])
        if y is None:
            return scores
        loss, dscores = layers.softmax_loss(scores, y)
        dhidden, dW2, db2 = layers.affine_backward(dscores, scores_cache)
        dhidden = layers.relu_backward(dhidden, relu_cache)
        _, dW1, db1 = layers.affine_backward(dhidden, affine_cache)
        strength = self._PENALTY * reg
        loss += strength * (np.sum(W1 * W1) + np.sum(W2 * W2))
        dW1, dW2 = dW1 + 2 * strength * W1, dW2 + 2 * strength * W2
        return loss, self._named(dW1, db1, dW2, db2)

    def _named(self, dW1: Array, db1: Array, dW2: Array, db2: Array) -> dict[str, Any]:
        return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

    def train(
        self,
        X: Array,
        y: Array,
        X_val: Array,
        y_val: Array,
        learning_rate: float = 1e-3,
        learning_rate_decay: float = 0.95,
        reg: float = 5e-6,
        num_iters: int = 100,
        batch_size: int = 200,
        verbose: bool = False,
    ) -> dict[str, list[float]]:
        """Train by stochastic gradient descent, on batches drawn with replacement.

        Returns
        -------
        dict
            ``loss_history``, a loss for each iteration; ``train_acc_history`` and
            ``val_acc_history``, accuracies after each epoch.
        """
        iterations_per_epoch = max(len(X) // batch_size, 1)
        history: dict[str, list[float]] = {
            "loss_history": [],
            "train_acc_history": [],
            "val_acc_history": [],
        }
        for iteration in range(num_iters):
            batch = np.random.choice(len(X), batch_size)
            loss, grads = self.loss(X[batch], y[batch], reg)
            history["loss_history"].append(float(loss))
            for name, gradient in grads.items():
                self.params[name] -= learning_rate * gradient
            if verbose and iteration % 100 == 0:
                print(f"iteration {iteration} / {num_iters}: loss {loss:f}")
            if iteration % iterations_per_epoch == 0:
                right = self.predict(X[batch]) == y[batch]
                history["train_acc_history"].append(float(np.mean(right)))
                right = self.predict(X_val) == y_val
                history["val_acc_history"].append(float(np.mean(right)))
                learning_rate *= learning_rate_decay
        return history

    def predict(self, X: Array) -> Any:
        """Return the class with the highest score of each example."""
        return np.argmax(self.loss(X), axis=1)
