"""Writes metrics of two made-up classifiers, computed by numpy, SciPy and scikit-learn in float64.

Run from this folder: python evaluation_golden.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

FILE = Path(__file__).parent / "../resources/io/distill/evaluation/evaluation-golden.json"
ROWS, CLASSES, BINS = 83, 5, 15


def calibration_error(probabilities, labels):
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == labels
    error = 0
    for rows in np.array_split(np.argsort(confidence), BINS):
        error += len(rows) / len(labels) * abs(correct[rows].mean() - confidence[rows].mean())
    return error


def main():
    random = np.random.default_rng(11)
    labels = random.choice(CLASSES, ROWS, p=[0.4, 0.3, 0.2, 0.07, 0.03])
    teacher = (random.normal(size=(ROWS, CLASSES)) + 2.5 * np.eye(CLASSES)[labels]).astype("f4")
    student = (0.7 * teacher + random.normal(size=(ROWS, CLASSES))).astype("f4")
    p, q = softmax(teacher.astype("f8"), 1), softmax(student.astype("f8"), 1)
    predicted = q.argmax(1)
    golden = {
        "labels": labels.tolist(),
        "teacher": teacher.tolist(),
        "student": student.tolist(),
        "accuracy": accuracy_score(labels, predicted),
        "balancedAccuracy": balanced_accuracy_score(labels, predicted),
        "macroF1": f1_score(labels, predicted, average="macro"),
        "calibrationError": calibration_error(q, labels),
        "agreement": float((p.argmax(1) == predicted).mean()),
        "kl": float(entropy(p, q, axis=1).mean()),
        "similarity": float((1 - jensenshannon(p, q, base=2, axis=1)).mean()),
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
