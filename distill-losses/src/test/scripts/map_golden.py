"""Writes the golden values of the losses on maps of channels: value and gradients in float64.

    python map_golden.py [DIRECTORY]            default: ../resources/golden beside this script

Written with PyTorch 2.15.0. Each loss is written out from its paper's formula, and the script
refuses to write a file unless the formula agrees with what is named here:

fsp                Yim et al. 2017, with the mean over the matrix for its sum.
                   Equals F.mse_loss of einsum products, which is what RepDistiller computes;
                   layers of different sizes are averaged down as there.
neuronSelectivity  Huang and Wang 2017 with the polynomial kernel (d = 2, c = 0), channel pair by
                   channel pair. Equals RepDistiller's kernel means, with the teacher's own
                   term (its full loss), and the squared distance of mean outer products.
"""

import torch
import torch.nn.functional as F

from golden import hidden, mask, same, write


def real(case, rows, tokens):
    if case.mask is None:
        return [list(range(tokens))] * rows
    return [[i for i in range(tokens) if case.mask[n, i] > 0] for n in range(rows)]


def pooled(one, other):
    if one.dim() == 3:
        return one, other
    size = [min(a, b) for a, b in zip(one.shape[2:], other.shape[2:])]
    return F.adaptive_avg_pool2d(one, size), F.adaptive_avg_pool2d(other, size)


def patterns(state, n, positions):
    """Of one row: channels by positions, [C, P], real positions only."""
    return state[n].flatten(1) if state.dim() == 4 else state[n][positions].T


def fsp(case):
    total = 0.0
    flows = list(zip(case.pairs, case.pairs[1:]))
    for (s1, t1), (s2, t2) in flows:
        a, b = pooled(case.student[s1], case.student[s2])
        c, d = pooled(case.teacher[t1], case.teacher[t2])
        rows = a.shape[0]
        positions = real(case, rows, a.shape[1])
        value = 0.0 * (a.sum() + b.sum())
        for n in range(rows):
            if a.dim() == 3 and not positions[n]:
                continue
            own, top, given, above = (patterns(x, n, positions[n]) for x in (a, b, c, d))
            squares = 0.0
            for i in range(own.shape[0]):
                for j in range(top.shape[0]):
                    flow = (own[i] * top[j]).sum() / own.shape[1]
                    expected = (given[i] * above[j]).sum() / given.shape[1]
                    squares = squares + (flow - expected) ** 2
            value = value + squares / (own.shape[0] * top.shape[0]) / rows
        if case.mask is None:
            flat = [x.flatten(2) if x.dim() == 4 else x.transpose(1, 2) for x in (a, b, c, d)]
            flow = torch.einsum("nip,njp->nij", flat[0], flat[1]) / flat[0].shape[2]
            expected = torch.einsum("nip,njp->nij", flat[2], flat[3]) / flat[2].shape[2]
            same(value, F.mse_loss(flow, expected))
        total = total + value / len(flows)
    return total


def kernel_mean(left, right):
    total = 0.0
    for x in left:
        for y in right:
            total = total + (x @ y) ** 2
    return total / (len(left) * len(right))


def neuron_selectivity(case):
    total = 0.0
    for s, t in case.pairs:
        own, given = pooled(case.student[s], case.teacher[t])
        rows = own.shape[0]
        positions = real(case, rows, own.shape[1])
        value = 0.0 * own.sum()
        for n in range(rows):
            if own.dim() == 3 and not positions[n]:
                continue
            a, b = (patterns(x, n, positions[n]) for x in (own, given))
            a, b = (x / x.norm(dim=1, keepdim=True) for x in (a, b))
            mmd = kernel_mean(a, a) + kernel_mean(b, b) - 2 * kernel_mean(a, b)
            same(mmd, ((a.T @ a / len(a) - b.T @ b / len(b)) ** 2).sum())
            published = sum(
                sign * (x.unsqueeze(0) * y.unsqueeze(1)).sum(-1).pow(2).mean()
                for sign, x, y in ((1, a, a), (1, b, b), (-2, a, b))
            )
            same(mmd, published)
            value = value + mmd / rows
        total = total + value / len(case.pairs)
    return total


def layered(name, seed, student, teacher, pairs, rows=None):
    """A case of hidden states whose shapes are listed layer by layer."""
    case = {
        "name": name,
        "student": [hidden(seed + i, 1, *shape) for i, shape in enumerate(student)],
        "teacher": [hidden(seed + 50 + i, 1, *shape) for i, shape in enumerate(teacher)],
        "pairs": pairs,
    }
    if rows:
        case["mask"] = mask(rows)
    return case


PADDED = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
GAPS = [[0, 1, 0, 1], [1, 1, 1, 1], [1, 0, 1, 1]]
NOTHING = [[0] * 4] * 3
TWO = [[0, 0], [1, 1]]

write(
    {
        "fsp": (
            fsp,
            [
                layered("tokens", 4011, [[2, 3, 2]] * 2, [[2, 3, 2]] * 2, TWO),
                layered("padding", 4021, [[3, 4, 2], [3, 4, 3]], [[3, 4, 2], [3, 4, 3]], TWO, PADDED),
                layered(
                    "gaps, three layers", 4031, [[3, 4, 2]] * 3, [[3, 4, 2]] * 6,
                    [[0, 1], [1, 3], [2, 5]], GAPS,
                ),
                layered(
                    "pixels", 4041, [[2, 2, 2, 3], [2, 3, 2, 3]], [[2, 2, 3, 3], [2, 3, 3, 3]], TWO
                ),
                layered(
                    "pixels become fewer", 4051, [[2, 2, 4, 4], [2, 3, 2, 2]],
                    [[2, 2, 5, 3], [2, 3, 2, 3]], TWO,
                ),
                layered("everything padded", 4061, [[3, 4, 2]] * 2, [[3, 4, 2]] * 2, TWO, NOTHING),
            ],
        ),
        "neuronSelectivity": (
            neuron_selectivity,
            [
                layered("few tokens", 4111, [[2, 3, 4]], [[2, 3, 5]], [[0, 0]]),
                layered("many tokens", 4121, [[2, 9, 2]], [[2, 9, 3]], [[0, 0]]),
                layered(
                    "padding, two pairs", 4131, [[3, 4, 3]] * 2, [[3, 4, 5]] * 4,
                    [[0, 1], [1, 3]], PADDED,
                ),
                layered("gaps", 4141, [[3, 4, 2]], [[3, 4, 1]], [[0, 0]], GAPS),
                layered("pixels", 4151, [[2, 3, 3, 3]], [[2, 2, 3, 3]], [[0, 0]]),
                layered("larger teacher maps", 4161, [[2, 3, 2, 2]], [[2, 5, 4, 3]], [[0, 0]]),
                layered("everything padded", 4171, [[3, 4, 2]], [[3, 4, 2]], [[0, 0]], NOTHING),
            ],
        ),
    }
)
