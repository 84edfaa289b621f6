"""Writes the golden values of the losses on hidden states: value and gradients in float64.

    python feature_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0. Each loss is written out from its paper's formula, and the script
refuses to write a file unless the formula equals the published implementation named here:

hiddenStateMse  TinyBERT 2020: mean over pairs, real tokens and width of (W student - teacher)^2.
                With one pair and no padding equals F.mse_loss. Projectors are applied as F.linear.
"""

import torch
import torch.nn.functional as F

from golden import hidden, mask, same, spec, write


def hidden_state_mse(case):
    students, teachers = layers(case.described, case.student), case.teacher
    total = 0.0
    for s, t in case.pairs:
        state = students[s]
        weight = case.parameters.get(f"projector.{s}.{t}")
        if weight is not None:
            state = torch.einsum("...i,oi->...o", state, weight)
            same(state, F.linear(students[s], weight))
        squares = ((state - teachers[t]) ** 2).mean(-1)
        if case.mask is not None:
            mean = (squares * case.mask).sum() / case.mask.sum().clamp(min=1)
            if case.mask.all():
                same(mean, F.mse_loss(state, teachers[t]))
        else:
            mean = squares.mean()
            same(mean, F.mse_loss(state, teachers[t]))
        total = total + mean / len(case.pairs)
    return total


def layers(described, arrays):
    return [a for s, a in zip(described["student"], arrays) if s["kind"] == "HIDDEN_STATES"]


def layered(name, seed, shape, widths, counts, pairs, rows=None, **more):
    """A case of hidden states of both models, with projectors where widths differ."""
    students, teachers = counts
    narrow, wide = widths
    case = {
        "name": name,
        "student": [hidden(seed + i, 2, *shape, narrow) for i in range(students)],
        "teacher": [hidden(seed + 50 + i, 2, *shape, wide) for i in range(teachers)],
        "pairs": pairs,
        **more,
    }
    if rows:
        case["mask"] = mask(rows)
    if narrow != wide:
        case["parameters"] = {
            f"projector.{s}.{t}": spec(seed + 90 + s, 0.5, wide, narrow) for s, t in pairs
        }
    return case


PADDED = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]

write(
    {
        "hiddenStateMse": (
            hidden_state_mse,
            [
                layered("rows without tokens", 311, [3], (4, 4), (1, 1), [[0, 0]]),
                layered("tokens, no padding", 321, [2, 3], (4, 4), (1, 1), [[0, 0]], [[1] * 3] * 2),
                layered(
                    "tokens, padding", 331, [3, 4], (2, 2), (2, 4), [[0, 1], [1, 3]], PADDED
                ),
                layered(
                    "projector, padding",
                    341,
                    [2, 3],
                    (2, 5),
                    (2, 2),
                    [[0, 0], [1, 1]],
                    [[1, 1, 1], [1, 0, 0]],
                ),
                layered("projector, rows without tokens", 351, [4], (3, 6), (2, 3), [[1, 0]]),
                layered("everything padded", 361, [2, 2], (3, 3), (1, 1), [[0, 0]], [[0, 0]] * 2),
            ],
        ),
    }
)
