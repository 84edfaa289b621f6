"""Writes the golden values of the losses on attention: value and gradients in float64.

    python attention_golden.py [DIRECTORY]      default: ../resources/golden beside this script

Written with PyTorch 2.15.0. Each loss is written out from its paper's formula, and the script
refuses to write a file unless the formula agrees with what is named here:

attentionTransfer  Zagoruyko and Komodakis 2017, activation-based, p = 2, distance squared. Equals the
                   authors' PyTorch code (normalised mean of squares, mean of squared differences)
                   times the number of positions, over which they average; the paper's own norm is
                   its root. Maps of different sizes are averaged down with adaptive_avg_pool2d, as
                   RepDistiller does.
attentionScoreMse  TinyBERT 2020. Equals F.mse_loss of the scores of each row's real
                   tokens, rows weighted by their tokens. The authors' code sets scores of padding
                   to 0 and averages over them too; the two agree where there is no padding.
miniLm             MiniLM 2020. No official code. Attention distributions equal
                   those of F.scaled_dot_product_attention on an identity matrix with a mask of
                   keys, and divergences those of F.kl_div.
miniLmV2           MiniLMv2 2021, each relation with weight 1. No official code. Checked as miniLm.
"""

import math

import torch
import torch.nn.functional as F

from golden import hidden, mask, same, spec, write


def of_kind(case, kind):
    described, arrays = case.described, (case.student, case.teacher)
    return [
        [a for s, a in zip(described[model], own) if s["kind"] == kind]
        for model, own in zip(("student", "teacher"), arrays)
    ]


def lengths(case, rows, tokens):
    """The real positions of each row; padding may stand anywhere."""
    if case.mask is None:
        return [list(range(tokens))] * rows
    return [[i for i in range(tokens) if case.mask[n, i] > 0] for n in range(rows)]


def energy_map(state, real):
    """Of one row: [tokens, D] or [C, H, W] to a unit vector over positions."""
    if state.dim() == 3:
        flat = (state**2).sum(0).reshape(-1)
    else:
        flat = (state[real] ** 2).sum(-1)
    return flat / flat.norm()


def at(x):
    return F.normalize(x.pow(2).mean(1).view(x.size(0), -1))


def attention_transfer(case):
    students, teachers = of_kind(case, "HIDDEN_STATES")
    total = 0.0
    for s, t in case.pairs:
        own, given = students[s], teachers[t]
        if own.dim() == 4:
            size = [min(a, b) for a, b in zip(own.shape[2:], given.shape[2:])]
            own, given = (F.adaptive_avg_pool2d(x, size) for x in (own, given))
        rows = own.shape[0]
        real = lengths(case, rows, own.shape[1])
        value = 0.0
        for n in range(rows):
            if own.dim() == 3 and not real[n]:
                # keeps the value attached; a row of padding alone has no map
                value = value + 0.0 * own[n].sum()
                continue
            difference = energy_map(own[n], real[n]) - energy_map(given[n], real[n])
            value = value + (difference**2).sum() / rows
        if case.mask is None or case.mask.all():
            if own.dim() == 3:
                own, given = own.transpose(1, 2), given.transpose(1, 2)
            a, b = at(own), at(given)
            same(value, (a - b).pow(2).mean() * a.shape[1])
        total = total + value / len(case.pairs)
    return total


def attention_score_mse(case):
    students, teachers = of_kind(case, "ATTENTION_SCORES")
    total = 0.0
    for s, t in case.pairs:
        own, given = students[s], teachers[t]
        rows, heads, tokens, _ = own.shape
        real = lengths(case, rows, tokens)
        count = max(1, sum(len(r) for r in real))
        value = 0.0 * own.sum()
        published = 0.0
        for n in range(rows):
            for q in real[n]:
                for k in real[n]:
                    squares = (own[n, :, q, k] - given[n, :, q, k]) ** 2
                    value = value + squares.mean() / len(real[n]) / count
            if real[n]:
                a, b = (x[n][:, real[n]][:, :, real[n]] for x in (own, given))
                published = published + F.mse_loss(a, b) * len(real[n]) / count
        if count > 1:
            same(value, published)
        if case.mask is None or case.mask.all():
            same(value, F.mse_loss(own, given))
        total = total + value / len(case.pairs)
    return total


def relation(left, right, real, tokens):
    """Of one row and head: softmax over real keys of left . right / sqrt(d), [tokens, real]."""
    products = torch.einsum("qd,kd->qk", left, right[real])
    relation = torch.softmax(products / math.sqrt(left.shape[-1]), -1)
    bias = torch.full((tokens, tokens), -math.inf, dtype=torch.float64)
    bias[:, real] = 0.0
    identity = torch.eye(tokens, dtype=torch.float64)
    fused = F.scaled_dot_product_attention(left[None], right[None], identity[None], bias[None])[0]
    same(relation, fused[:, real])
    return relation


def divergence(case, student, teacher):
    """(left, right) of each model, [N, H, L, d]: KL by real query, mean over heads and queries."""
    rows, heads, tokens, _ = student[0].shape
    real = lengths(case, rows, tokens)
    count = max(1, sum(len(r) for r in real))
    value = 0.0 * (student[0].sum() + student[1].sum())
    for n in range(rows):
        if not real[n]:
            continue
        for h in range(heads):
            q = relation(student[0][n, h], student[1][n, h], real[n], tokens)[real[n]]
            p = relation(teacher[0][n, h], teacher[1][n, h], real[n], tokens)[real[n]]
            kl = (p * (p / q).log()).sum()
            same(kl, F.kl_div(q.log(), p, reduction="sum"))
            value = value + kl / heads / count
    return value


def last(case):
    kinds = [of_kind(case, kind) for kind in ("QUERIES", "KEYS", "VALUES")]
    return [s[-1] for s, _ in kinds], [t[-1] for _, t in kinds]


def mini_lm(case):
    (q, k, v), (tq, tk, tv) = last(case)
    return divergence(case, (q, k), (tq, tk)) + divergence(case, (v, v), (tv, tv))


def relation_heads(x, heads):
    """Concatenates the attention heads, then splits the vectors into relation heads."""
    joined = torch.cat(list(x.unbind(1)), -1)
    return torch.stack(joined.chunk(heads, -1), 1)


def mini_lm_v2(case):
    students, teachers = last(case)
    width, given = (x[0].shape[1] * x[0].shape[3] for x in (students, teachers))
    heads = case.options.get("relationHeads")
    if heads is None:
        heads = max(
            a
            for a in range(1, max(1, given // 16) + 1)
            if width % a == 0 and given % a == 0
        )
    total = 0.0
    for s, t in zip(students, teachers):
        s, t = relation_heads(s, heads), relation_heads(t, heads)
        total = total + divergence(case, (s, s), (t, t))
    return total


def maps(name, seed, student, teacher, pairs=((0, 0),), counts=(1, 1), rows=None):
    case = {
        "name": name,
        "student": [hidden(seed + i, 2, *student) for i in range(counts[0])],
        "teacher": [hidden(seed + 50 + i, 2, *teacher) for i in range(counts[1])],
        "pairs": [list(p) for p in pairs],
    }
    if rows:
        case["mask"] = mask(rows)
    return case


def scores(name, seed, shape, pairs=((0, 0),), counts=(1, 1), rows=None):
    case = maps(name, seed, shape, shape, pairs, counts, rows)
    for array in case["student"] + case["teacher"]:
        array["kind"] = "ATTENTION_SCORES"
    return case


def relations(name, seed, student, teacher, scale=1, counts=(1, 1), rows=None, **options):
    def drawn(seed, count, shape):
        return [
            spec(seed + 10 * k + i, scale, *shape, kind=kind)
            for k, kind in enumerate(("QUERIES", "KEYS", "VALUES"))
            for i in range(count)
        ]

    case = {
        "name": name,
        "student": drawn(seed, counts[0], student),
        "teacher": drawn(seed + 50, counts[1], teacher),
    }
    if rows:
        case["mask"] = mask(rows)
    if options:
        case["options"] = options
    return case


PADDED = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
GAPS = [[0, 1, 0, 1], [1, 1, 1, 1], [1, 0, 1, 1]]
NOTHING = [[0] * 4] * 3

write(
    {
        "attentionTransfer": (
            attention_transfer,
            [
                maps("tokens, no padding", 3011, [2, 3, 4], [2, 3, 4], rows=[[1] * 3] * 2),
                maps("tokens, padding", 3021, [3, 4, 2], [3, 4, 5], rows=PADDED),
                maps("gaps, two pairs", 3031, [3, 4, 2], [3, 4, 3], [[0, 1], [1, 3]], (2, 4), GAPS),
                maps("pixels", 3041, [2, 3, 2, 2], [2, 4, 2, 2]),
                maps("larger teacher maps", 3051, [2, 3, 2, 3], [2, 2, 4, 4]),
                maps("larger student maps", 3061, [2, 3, 5, 3], [2, 2, 2, 3]),
                maps("a row of padding", 3071, [3, 4, 2], [3, 4, 2], rows=PADDED[:2] + NOTHING[:1]),
            ],
        ),
        "attentionScoreMse": (
            attention_score_mse,
            [
                scores("no mask", 3111, [2, 2, 3, 3]),
                scores("no padding", 3121, [2, 2, 3, 3], rows=[[1] * 3] * 2),
                scores("padding", 3131, [3, 2, 4, 4], rows=PADDED),
                scores("gaps, two pairs", 3141, [3, 1, 4, 4], [[0, 1], [1, 3]], (2, 4), GAPS),
                scores("a row of padding", 3151, [3, 3, 4, 4], rows=PADDED[:2] + NOTHING[:1]),
                scores("everything padded", 3161, [3, 1, 4, 4], rows=NOTHING),
            ],
        ),
        "miniLm": (
            mini_lm,
            [
                relations("no mask", 3211, [2, 2, 3, 4], [2, 2, 3, 4]),
                relations("no padding", 3221, [2, 2, 3, 2], [2, 2, 3, 5], rows=[[1] * 3] * 2),
                relations("padding, sharp", 3231, [3, 2, 4, 3], [3, 2, 4, 4], scale=4, rows=PADDED),
                relations("gaps, layers", 3241, [3, 1, 4, 2], [3, 1, 4, 3], 1, (2, 3), GAPS),
                relations(
                    "a row of padding", 3251, [3, 2, 4, 2], [3, 2, 4, 2], 2, (1, 2),
                    PADDED[:2] + NOTHING[:1],
                ),
                relations("everything padded", 3261, [3, 1, 4, 2], [3, 1, 4, 2], rows=NOTHING),
            ],
        ),
        "miniLmV2": (
            mini_lm_v2,
            [
                relations("no mask", 3311, [2, 2, 3, 4], [2, 2, 3, 4], relationHeads=4),
                relations(
                    "other heads", 3321, [2, 1, 3, 6], [2, 4, 3, 3], rows=[[1] * 3] * 2,
                    relationHeads=3,
                ),
                relations(
                    "padding, sharp", 3331, [3, 3, 4, 2], [3, 2, 4, 6], scale=4, rows=PADDED,
                    relationHeads=2,
                ),
                relations(
                    "gaps, layers", 3341, [3, 1, 4, 2], [3, 3, 4, 2], 1, (2, 3), GAPS,
                    relationHeads=1,
                ),
                relations("default heads", 3351, [2, 3, 3, 4], [2, 4, 3, 12], rows=[[1, 1, 0]] * 2),
                relations("everything padded", 3361, [3, 2, 4, 2], [3, 1, 4, 4], rows=NOTHING),
            ],
        ),
    }
)
