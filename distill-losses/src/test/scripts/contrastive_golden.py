"""Writes the golden values of the losses on embeddings: value and gradients in float64.

    python contrastive_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0. Each loss is written out from its paper's formula, and the script
refuses to write a file unless the formula equals the published implementation named here:

embeddingCosine 1 - cosine. Equals 1 - F.cosine_similarity(W student, teacher).mean().
embeddingL2     Kim et al. 2023: squared distance. Equals F.mse_loss(..., reduction="sum") / rows.
infoNce         van den Oord et al. 2018 with the student as the question, the teacher's embeddings
                of the batch as the answers, and cosines over a temperature as the score. Equals
                F.cross_entropy(cosines / temperature, arange), as CLIP's loss takes one direction.
marginMse       Hofstaetter et al. 2020. With one negative equals
                sebastian-hofstaetter/neural-ranking-kd and F.mse_loss of margins; with more the
                mean over negatives, as sentence-transformers' MarginMSELoss. Candidates whose
                teacher score is -inf are left out, which neither of them does.
listwiseKl      Lin et al. 2020 and sentence-transformers' DistillKLDivLoss: T^2 * F.kl_div over the
                candidates, reduction="batchmean". Candidates at -inf are left out of both sides.
"""

import torch
import torch.nn.functional as F

from golden import embedding, logits, same, spec, write


def embeddings(case):
    s, t = case.student[0], case.teacher[0]
    if "projector" in case.parameters:
        s = s @ case.parameters["projector"].T
    return s, t


def embedding_cosine(case):
    s, t = embeddings(case)
    cosine = (s * t).sum(1) / ((s * s).sum(1).sqrt() * (t * t).sum(1).sqrt())
    value = (1 - cosine).mean()
    same(value, 1 - F.cosine_similarity(s, t).mean())
    return value


def embedding_l2(case):
    s, t = embeddings(case)
    value = ((s - t) ** 2).sum(1).mean()
    same(value, F.mse_loss(s, t, reduction="sum") / len(s))
    return value


def info_nce(case):
    s, t = embeddings(case)
    temperature = case.options.get("temperature", 0.07)
    total = 0.0
    for i in range(len(s)):
        norms = (s[i] ** 2).sum().sqrt() * (t**2).sum(1).sqrt()
        scores = ((t * s[i]).sum(1) / norms / temperature).exp()
        total = total - (scores[i] / scores.sum()).log() / len(s)
    cosines = F.normalize(s) @ F.normalize(t).T
    same(total, F.cross_entropy(cosines / temperature, torch.arange(len(s))), rtol=1e-10)
    return total


def existing(case, row):
    """The scores of a row's candidates that exist."""
    there = case.teacher[0][row] > -torch.inf
    return case.student[0][row][there], case.teacher[0][row][there], bool(there[0])


def margin_mse(case):
    rows = len(case.student[0])
    total = (case.student[0] * 0).sum()
    for row in range(rows):
        s, t, positive = existing(case, row)
        if positive and len(s) > 1:
            error = (s[0] - s[1:]) - (t[0] - t[1:])
            total = total + (error**2).mean() / rows
            same((error**2).mean(), F.mse_loss(s[0] - s[1:], t[0] - t[1:]))
    return total


def listwise_kl(case):
    rows, temperature = len(case.student[0]), case.temperature
    total = (case.student[0] * 0).sum()
    for row in range(rows):
        s, t, _ = existing(case, row)
        if len(s):
            q, p = (s / temperature).exp(), (t / temperature).exp()
            q, p = q / q.sum(), p / p.sum()
            value = (p * (p.log() - q.log())).sum()
            same(value, F.kl_div(F.log_softmax(s / temperature, 0), p, reduction="sum"))
            total = total + temperature**2 * value / rows
    return total


def scored(name, seed, temperature, scale, rows, candidates, teacher=None, **more):
    """A case of candidates' scores; teacher are numbers where some do not exist."""
    case = {
        "name": name,
        "temperature": temperature,
        "student": [logits(seed, scale, rows, candidates)],
        "teacher": [logits(seed + 1, scale, rows, candidates)],
        **more,
    }
    if teacher:
        case["teacher"] = [spec(0, 1, rows, candidates, kind="LOGITS", values=teacher)]
    return case


NONE = -torch.inf
RAGGED = [2.5, 0.25, NONE, -1, NONE, 1, 2, NONE, 0.5, -0.75, NONE, NONE, NONE, 3, 0, -2]


def scores(seed):
    """The cases of both losses on candidates."""
    return [
        scored("one negative", seed + 10, 1, 4, 4, 2),
        scored("5 candidates", seed + 20, 1, 4, 3, 5),
        scored("T=2", seed + 30, 2, 8, 4, 8),
        scored("T=4", seed + 40, 4, 8, 2, 10),
        scored("T=20", seed + 50, 20, 16, 2, 10),
        scored("1000 candidates", seed + 60, 1, 8, 2, 1000),
        scored("candidates that do not exist", seed + 70, 2, 4, 4, 4, RAGGED),
        scored("a row without any", seed + 80, 1, 4, 2, 3, [NONE, NONE, NONE, 1, 0.5, NONE]),
    ]


def embedded(name, seed, scales, rows, widths, **more):
    """A case of embeddings of both models, with a projector where widths differ."""
    case = {
        "name": name,
        "student": [embedding(seed, scales[0], rows, widths[0])],
        "teacher": [embedding(seed + 1, scales[1], rows, widths[1])],
        **more,
    }
    if widths[0] != widths[1]:
        case["parameters"] = {"projector": spec(seed + 2, 0.5, widths[1], widths[0])}
    return case


write(
    {
        "embeddingCosine": (
            embedding_cosine,
            [
                embedded("width 2", 411, (1, 1), 4, (2, 2)),
                embedded("width 8", 421, (1, 1), 5, (8, 8)),
                embedded("unequal lengths", 431, (64, 0.0625), 3, (8, 8)),
                embedded("one row", 441, (2, 2), 1, (16, 16)),
                embedded("projector", 451, (1, 1), 4, (4, 6)),
                embedded("projector to fewer", 461, (2, 4), 3, (6, 2)),
            ],
        ),
        "embeddingL2": (
            embedding_l2,
            [
                embedded("width 2", 511, (1, 1), 4, (2, 2)),
                embedded("width 8", 521, (1, 1), 5, (8, 8)),
                embedded("unequal lengths", 531, (64, 0.0625), 3, (8, 8)),
                embedded("one row", 541, (2, 2), 1, (16, 16)),
                embedded("projector", 551, (1, 1), 4, (4, 6)),
                embedded("projector to fewer", 561, (2, 4), 3, (6, 2)),
            ],
        ),
        "infoNce": (
            info_nce,
            [
                embedded("2 rows", 611, (1, 1), 2, (8, 8)),
                embedded("16 rows", 621, (1, 2), 16, (8, 8)),
                embedded("temperature 1", 631, (1, 1), 5, (4, 4), options={"temperature": 1}),
                embedded("temperature 0.02", 641, (1, 1), 6, (16, 16), options={"temperature": 0.02}),
                embedded("projector", 651, (1, 1), 5, (4, 6)),
                embedded("projector to fewer", 661, (2, 4), 4, (6, 3), options={"temperature": 0.2}),
            ],
        ),
        "marginMse": (margin_mse, scores(701)),
        "listwiseKl": (listwise_kl, scores(801)),
    }
)
