"""Writes the golden values of the losses on logits: value and gradients in float64.

    python logit_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0; another version may differ in the last digits of float64. Each loss is
written out from its paper's formula, and the script refuses to write a file unless the formula
equals the published implementation named here:

softTargets     Hinton et al. 2015: T^2 * mean_rows KL(p || q). Equals
                F.kl_div(log_softmax(student / T), softmax(teacher / T), reduction="batchmean")
                * T**2. (reduction="mean" would divide by the classes as well.)
reverseKl       Gu et al. 2024: T^2 * mean_rows KL(q || p). Equals torch.distributions.kl_divergence
                of the student's to the teacher's Categorical. Implementations that drop the terms
                of classes which the teacher rules out are negative there; ours is not.
symmetricKl     (1 - lambda) KL(p || q) + lambda KL(q || p). Equals the sum of the two
                torch.distributions.kl_divergence; torchtune's ratio weights KL(p || q) instead.
generalizedJsd  Agarwal et al. 2024, equation 1. Equals F.kl_div(log m, log p, log_target=True) and
                the same of q, with log m by logsumexp, as TRL computes it (without T^2; at beta 0
                and 1, which we refuse, TRL returns KL(p || q) and KL(q || p)).
totalVariation  half the L1 distance. Equals F.l1_loss(q, p, reduction="sum") / 2 / rows; times T^2
                as in DistillKit.
skewKl          Ko et al. 2024: KL(p || alpha p + (1 - alpha) q). Equals
                torch.distributions.kl_divergence of Categoricals; DistiLLM's own code leaves out
                the teacher's entropy, a constant.
skewReverseKl   Ko et al. 2024: KL(q || (1 - alpha) p + alpha q). Compared as skewKl.
adaptiveKl      Wu et al. 2024. The head is the fewest largest classes that hold the share; equals
                the weights of DSKD, whose tail is the smallest classes with a cumulative
                probability below 1 - share (it names that alpha, 0.5), except that DSKD is NaN
                where student and teacher agree.
topKKl          KL of k + 1 outcomes. Equals torch.distributions.kl_divergence of Categoricals with
                the rest as 1 - sum(top k), which loses digits in float32 where ours does not.
softCrossEntropy Hinton et al. 2015. Equals F.cross_entropy(student / T, softmax(teacher / T)) * T^2.
hardLabels      cross-entropy over labelled rows. Equals F.cross_entropy(..., ignore_index=-1,
                label_smoothing=...), but is 0 and not NaN where no row has a label.
logitMse        Ba and Caruana 2014: half the squared distance, summed over classes. Equals
                F.mse_loss(reduction="sum") / 2 / rows.
"""

import math

import torch
import torch.nn.functional as F
from torch.distributions import Categorical, kl_divergence

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


def distributions(case):
    """Returns p and q at the case's temperature."""
    z, t = case.student[0] / case.temperature, case.teacher[0] / case.temperature
    return t.exp() / t.exp().sum(1, keepdim=True), z.exp() / z.exp().sum(1, keepdim=True)


def logarithms(case):
    """Returns log p and log q as PyTorch computes them."""
    return (
        F.log_softmax(case.teacher[0] / case.temperature, 1),
        F.log_softmax(case.student[0] / case.temperature, 1),
    )


def published_kl(a, b):
    return kl_divergence(Categorical(probs=a), Categorical(probs=b)).mean()


def kl(a, b):
    return (a * (a / b).log()).sum(1)


def reverse_kl(case):
    p, q = distributions(case)
    value = kl(q, p).mean()
    same(value, published_kl(q, p))
    return case.temperature**2 * value


def symmetric_kl(case):
    p, q = distributions(case)
    share = case.options.get("lambda", 0.5)
    value = ((1 - share) * kl(p, q) + share * kl(q, p)).mean()
    same(value, (1 - share) * published_kl(p, q) + share * published_kl(q, p))
    return case.temperature**2 * value


def generalized_jsd(case):
    p, q = distributions(case)
    beta = case.options.get("beta", 0.5)
    m = beta * p + (1 - beta) * q
    value = (beta * kl(p, m) + (1 - beta) * kl(q, m)).mean()
    log_p, log_q = logarithms(case)
    parts = torch.stack([log_p + math.log(beta), log_q + math.log(1 - beta)])
    log_m = torch.logsumexp(parts, 0)
    of_teacher = F.kl_div(log_m, log_p, reduction="batchmean", log_target=True)
    of_student = F.kl_div(log_m, log_q, reduction="batchmean", log_target=True)
    same(value, beta * of_teacher + (1 - beta) * of_student)
    return case.temperature**2 * value


def total_variation(case):
    p, q = distributions(case)
    value = (p - q).abs().sum(1).mean() / 2
    same(value, F.l1_loss(q, p, reduction="sum") / 2 / len(p))
    return case.temperature**2 * value


def skew_kl(case):
    p, q = distributions(case)
    alpha = case.options.get("alpha", 0.1)
    mixture = alpha * p + (1 - alpha) * q
    value = (p * p.log() - p * mixture.log()).sum(1).mean()
    same(value, published_kl(p, mixture))
    return case.temperature**2 * value


def skew_reverse_kl(case):
    p, q = distributions(case)
    alpha = case.options.get("alpha", 0.1)
    mixture = (1 - alpha) * p + alpha * q
    value = (q * q.log() - q * mixture.log()).sum(1).mean()
    same(value, published_kl(q, mixture))
    return case.temperature**2 * value


def adaptive_kl(case):
    p, q = distributions(case)
    share = case.options.get("headShare", 0.5)
    value = 0
    for row in range(len(p)):
        head, mass = set(), 0.0
        for c in sorted(range(p.shape[1]), key=lambda c: -p[row, c].item()):
            if mass < share:
                head.add(c)
                mass += p[row, c].item()
        gaps = (p[row] - q[row]).abs().tolist()
        weight = sum(gaps[c] for c in head) / sum(gaps)
        ascending, order = p[row].sort()
        tail = ascending.cumsum(0) < 1 - share
        gap = (ascending - q[row].detach()[order]).abs()
        same(torch.tensor(weight, dtype=torch.float64), (gap * ~tail).sum() / gap.sum())
        one = slice(row, row + 1)
        value = value + weight * kl(p[one], q[one]) + (1 - weight) * kl(q[one], p[one])
    return case.temperature**2 * value.sum() / len(p)


def top_k_kl(case):
    p, q = distributions(case)
    k = case.options["k"]
    order = p.argsort(1, descending=True)
    p, q = p.gather(1, order), q.gather(1, order)
    value = (p[:, :k] * (p[:, :k] / q[:, :k]).log()).sum(1)
    if k < p.shape[1]:
        rest_p, rest_q = p[:, k:].sum(1), q[:, k:].sum(1)
        value = value + rest_p * (rest_p / rest_q).log()
        p = torch.cat([p[:, :k], 1 - p[:, :k].sum(1, keepdim=True)], 1)
        q = torch.cat([q[:, :k], 1 - q[:, :k].sum(1, keepdim=True)], 1)
    same(value.mean(), published_kl(p, q), rtol=1e-9)
    return case.temperature**2 * value.mean()


def soft_cross_entropy(case):
    p, q = distributions(case)
    value = -(p * q.log()).sum(1).mean()
    target = F.softmax(case.teacher[0] / case.temperature, 1)
    same(value, F.cross_entropy(case.student[0] / case.temperature, target))
    return case.temperature**2 * value


def hard_labels(case):
    z = case.student[0]
    smoothing = case.options.get("labelSmoothing", 0)
    rows = [(row, label) for row, label in enumerate(case.labels.tolist()) if label >= 0]
    value = (z * 0).sum()
    for row, label in rows:
        log_q = z[row] - z[row].exp().sum().log()
        target = torch.full_like(log_q, smoothing / len(log_q))
        target[label] += 1 - smoothing
        value = value - (target * log_q).sum() / len(rows)
    if rows:
        published = F.cross_entropy(z, case.labels, ignore_index=-1, label_smoothing=smoothing)
        same(value, published)
    return value


def logit_mse(case):
    z, t = case.student[0], case.teacher[0]
    value = 0.5 * ((z - t) ** 2).sum(1).mean()
    same(value, F.mse_loss(z, t, reduction="sum") / 2 / len(z))
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


def labelled(name, seed, scale, classes, given, **more):
    return {
        "name": name,
        "student": [logits(seed, scale, len(given), classes)],
        "labels": labels(given),
        **more,
    }


def with_option(seed, option, *values):
    """Three cases for each value of an argument."""
    cases = []
    for value in values:
        options = {option: value}
        seed += 40
        cases += [
            pair(f"{option}={value}, T=1, 10 classes", seed, 1, 4, 3, 10, options=options),
            pair(f"{option}={value}, T=4, 2 classes", seed + 10, 4, 8, 4, 2, options=options),
            pair(f"{option}={value}, T=2, 1000 classes", seed + 20, 2, 8, 2, 1000, options=options),
        ]
    return cases


write(
    {
        "softTargets": (soft_targets, tempered(1)),
        "reverseKl": (reverse_kl, tempered(1001)),
        "symmetricKl": (
            symmetric_kl,
            tempered(2001) + with_option(2101, "lambda", 0, 0.1, 0.9, 1),
        ),
        "generalizedJsd": (
            generalized_jsd,
            tempered(3001) + with_option(3101, "beta", 0.1, 0.7, 0.9),
        ),
        "totalVariation": (total_variation, tempered(4001)),
        "skewKl": (skew_kl, tempered(5001) + with_option(5101, "alpha", 0.01, 0.5)),
        "skewReverseKl": (
            skew_reverse_kl,
            tempered(6001) + with_option(6101, "alpha", 0.01, 0.5),
        ),
        "adaptiveKl": (
            adaptive_kl,
            tempered(7001) + with_option(7101, "headShare", 0.2, 0.9),
        ),
        "topKKl": (
            top_k_kl,
            [
                {**case, "options": {"k": {2: 1, 10: 3, 1000: 50}[case["student"][0]["shape"][1]]}}
                for case in tempered(8001)
            ]
            + with_option(8101, "k", 2, 64)
            + [pair("k=9, one class in the rest", 8301, 2, 8, 3, 10, options={"k": 9})],
        ),
        "softCrossEntropy": (soft_cross_entropy, tempered(9001)),
        "logitMse": (logit_mse, tempered(10001)),
        "hardLabels": (
            hard_labels,
            [
                labelled("2 classes, all labelled", 211, 4, 2, [0, 1, 1]),
                labelled("10 classes, all labelled", 221, 4, 10, [3, 9, 0, 5]),
                labelled("10 classes, partly labelled", 231, 8, 10, [-1, 7, -1, 0, 2]),
                labelled("10 classes, one labelled", 241, 2, 10, [-1, -1, 4]),
                labelled("10 classes, none labelled", 251, 2, 10, [-1, -1]),
                labelled("1000 classes, partly labelled", 261, 8, 1000, [999, -1, 0]),
                *(
                    labelled(
                        f"smoothing {smoothing}, {classes} classes",
                        seed,
                        4,
                        classes,
                        given,
                        options={"labelSmoothing": smoothing},
                    )
                    for seed, smoothing, classes, given in [
                        (271, 0.1, 2, [0, 1, -1]),
                        (281, 0.1, 10, [-1, 7, -1, 0, 2]),
                        (291, 0.5, 10, [3, 9, 0]),
                        (301, 0.1, 10, [-1, -1]),
                        (311, 0.1, 1000, [999, -1, 0]),
                    ]
                ),
            ],
        ),
    }
)
