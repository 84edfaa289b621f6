"""Writes the optimum of a penalised softmax regression, found by Newton's method in float64.

Run from this folder: python softmax_regression_golden.py
"""

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "../resources/io/distill/model/softmax-regression-golden.json"
ROWS, WIDTH, CLASSES = 40, 4, 3


def fit(x, y, l2):
    extended = np.concatenate([x, np.ones((len(x), 1))], 1)
    size = extended.shape[1]
    target = np.eye(CLASSES)[y]
    penalty = np.repeat(np.append(np.full(WIDTH, l2), 0.0), CLASSES)
    w = np.zeros((size, CLASSES))
    for _ in range(100):
        scores = extended @ w
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        gradient = (extended.T @ (p - target) / len(x)).flatten() + penalty * w.flatten()
        hessian = np.zeros((size * CLASSES, size * CLASSES))
        for row, q in zip(extended, p):
            hessian += np.kron(np.outer(row, row), np.diag(q) - np.outer(q, q)) / len(x)
        hessian += np.diag(penalty)
        # biases are free up to a shift of all: the least-squares step keeps their sum at zero
        w -= np.linalg.lstsq(hessian, gradient, rcond=1e-13)[0].reshape(w.shape)
        if np.abs(gradient).max() < 1e-14:
            break
    assert np.abs(gradient).max() < 1e-12, np.abs(gradient).max()
    return w


def main():
    random = np.random.default_rng(5)
    y = np.arange(ROWS) % CLASSES
    x = np.round(random.normal(size=(ROWS, WIDTH)) + 0.8 * random.normal(size=(CLASSES, WIDTH))[y], 3)
    cases = []
    for l2 in (1e-3, 0.1):
        w = fit(x, y, l2)
        cases.append({"l2": l2, "weight": w[:-1].T.tolist(), "bias": w[-1].tolist()})
    golden = {"features": x.tolist(), "labels": y.tolist(), "cases": cases}
    FILE.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
