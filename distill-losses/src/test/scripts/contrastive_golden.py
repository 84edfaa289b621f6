"""Writes the golden values of the losses on embeddings: value and gradients in float64.

    python contrastive_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0. Each loss is written out from its paper's formula, and the script
refuses to write a file unless the formula equals the published implementation named here:

embeddingCosine 1 - cosine. Equals 1 - F.cosine_similarity(W student, teacher).mean().
"""

import torch.nn.functional as F

from golden import embedding, same, spec, write


def embedding_cosine(case):
    s, t = case.student[0], case.teacher[0]
    if "projector" in case.parameters:
        s = s @ case.parameters["projector"].T
    cosine = (s * t).sum(1) / ((s * s).sum(1).sqrt() * (t * t).sum(1).sqrt())
    value = (1 - cosine).mean()
    same(value, 1 - F.cosine_similarity(s, t).mean())
    return value


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
    }
)
