"""Writes the golden values of the losses on logits: value and gradients in float64.

    python logit_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0; another version may differ in the last digits of float64. Each loss is
written out from its paper's formula, and the script refuses to write a file unless the formula
equals the published implementation named here:

softTargets     Hinton et al. 2015: T^2 * mean_rows KL(p || q). Equals
                F.kl_div(log_softmax(student / T), softmax(teacher / T), reduction="batchmean")
                * T**2. (reduction="mean" would divide by the classes as well.)
hardLabels      cross-entropy over labelled rows. Equals F.cross_entropy(..., ignore_index=-1), but
                is 0 and not NaN where no row has a label.
"""

import torch
import torch.nn.functional as F

from golden import labels, logits, same, write


def soft_targets(case):
    z, t, temperature = case.student[0], case.teacher[0], case.temperature
    q = (z / temperature).exp() / (z / temperature).exp().sum(1, keepdim=True)
    p = (t / temperature).exp() / (t / temperature).exp().sum(1, keepdim=True)
    value = temperature**2 * (p * (p.log() - q.log())).sum(1).mean()
    log_q = F.log_softmax(z / temperature, 1)
    target = F.softmax(t / temperature, 1)
    same(value, F.kl_div(log_q, target, reduction="batchmean") * temperature**2)
    return value


def hard_labels(case):
    z = case.student[0]
    rows = [(row, label) for row, label in enumerate(case.labels.tolist()) if label >= 0]
    value = (z * 0).sum()
    for row, label in rows:
        value = value - (z[row, label] - z[row].exp().sum().log()) / len(rows)
    if rows:
        same(value, F.cross_entropy(z, case.labels, ignore_index=-1))
    return value


def pair(name, seed, temperature, scale, rows, classes, **more):
    """A case of both models' logits."""
    return {
        "name": name,
        "temperature": temperature,
        "student": [logits(seed, scale, rows, classes)],
        "teacher": [logits(seed + 1, scale, rows, classes)],
        **more,
    }


def tempered(seed, **more):
    """The cases that every tempered loss has: T in 0.5, 1, 2, 4, 20 and 2, 10, 1000 classes."""
    return [
        pair("T=1, 2 classes", seed + 10, 1, 4, 4, 2, **more),
        pair("T=0.5, 10 classes", seed + 20, 0.5, 2, 4, 10, **more),
        pair("T=1, 10 classes", seed + 30, 1, 4, 3, 10, **more),
        pair("T=2, 10 classes", seed + 40, 2, 8, 5, 10, **more),
        pair("T=4, 10 classes", seed + 50, 4, 8, 1, 10, **more),
        pair("T=20, 10 classes", seed + 60, 20, 16, 6, 10, **more),
        pair("T=20, 2 classes", seed + 70, 20, 16, 2, 2, **more),
        pair("T=1, 1000 classes", seed + 80, 1, 8, 2, 1000, **more),
        pair("T=4, 1000 classes", seed + 90, 4, 16, 3, 1000, **more),
        pair("T=20, 1000 classes", seed + 100, 20, 32, 2, 1000, **more),
    ]


def labelled(name, seed, scale, classes, given):
    return {
        "name": name,
        "student": [logits(seed, scale, len(given), classes)],
        "labels": labels(given),
    }


write(
    {
        "softTargets": (soft_targets, tempered(1)),
        "hardLabels": (
            hard_labels,
            [
                labelled("2 classes, all labelled", 211, 4, 2, [0, 1, 1]),
                labelled("10 classes, all labelled", 221, 4, 10, [3, 9, 0, 5]),
                labelled("10 classes, partly labelled", 231, 8, 10, [-1, 7, -1, 0, 2]),
                labelled("10 classes, one labelled", 241, 2, 10, [-1, -1, 4]),
                labelled("10 classes, none labelled", 251, 2, 10, [-1, -1]),
                labelled("1000 classes, partly labelled", 261, 8, 1000, [999, -1, 0]),
            ],
        ),
    }
)
