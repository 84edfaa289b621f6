"""Writes the golden values of the losses on relations of rows: value and gradients in float64.

    python relation_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0. Each loss is written out, pair by pair, from its paper's formula. The
script refuses to write a file unless that equals what the programs named here compute; they are
written down again below as a few tensor operations.

relationalDistance     Park et al. 2019, mean over N^2 ordered pairs. Equals the authors' RKdDist:
                       distances from |a|^2 + |b|^2 - 2ab, clamped at 1e-12, diagonal set to 0.
                       Equal rows differ on purpose: the authors' have distance 1e-6, ours 0.
relationalAngle        Park et al. 2019, mean over N^3 ordered triples. Equals the authors' RkdAngle.
similarityPreserving   Tung and Mori 2019. Equals the program of RepDistiller.
correlationCongruence  Peng et al. 2019: the Gaussian kernel's Taylor series on rows of length 1,
                       mean squared error over N^2 pairs. Equals the programs of several repositories
                       named CC (gamma 0.4, order 2). RepDistiller's "Correlation" is another
                       formula: |row i - row i+1| products averaged; not compared.
probabilisticTransfer  Passalis and Tefas 2018, with each row among its own neighbours as in the
                       author's program; times N, since that takes the mean over N^2 pairs. The
                       author adds 1e-7 to norms and probabilities: compared without.
cka                    Kornblith et al. 2019: 1 - CKA with linear kernels. Equals HSIC of centred
                       Gram matrices, the authors' kernel form; the formula below is their feature
                       form.
"""

import math

import torch
import torch.nn.functional as F

from golden import embedding, hidden, mask, same, write


def huber(x):
    x = x.abs()
    return torch.where(x < 1, 0.5 * x * x, x - 0.5)


def rows_equal(x):
    return torch.unique(x, dim=0).shape[0] < x.shape[0]


def relational_distance(case):
    s, t = case.student[0], case.teacher[0]
    rows = range(len(s))

    def relative(x):
        pairs = {(i, j): (x[i] - x[j]).norm() for i in rows for j in rows if not x[i].equal(x[j])}
        mean = sum(pairs.values()) / max(1, len(pairs))
        return {pair: distance / mean for pair, distance in pairs.items()}

    of, against = relative(s), relative(t)
    zero = (s * 0).sum()
    value = zero
    for i in rows:
        for j in rows:
            value = value + huber(of.get((i, j), zero) - against.get((i, j), zero))
    value = value / len(s) ** 2
    if len(s) > 1 and not rows_equal(s) and not rows_equal(t):
        same(value, F.smooth_l1_loss(published_distances(s), published_distances(t)), rtol=1e-9)
    return value


def published_distances(x):
    squares = (x * x).sum(1)
    distance = (squares[:, None] + squares[None] - 2 * x @ x.T).clamp(min=1e-12).sqrt()
    distance = distance * (1 - torch.eye(len(x), dtype=x.dtype))
    return distance / distance[distance > 0].mean()


def relational_angle(case):
    s, t = case.student[0], case.teacher[0]
    rows = range(len(s))

    def cosine(x, i, j, k):
        a, b = x[j] - x[i], x[k] - x[i]
        if not a.detach().any() or not b.detach().any():
            return (x * 0).sum()
        return (a * b).sum() / (a.norm() * b.norm())

    value = sum(
        huber(cosine(s, i, j, k) - cosine(t, i, j, k)) for i in rows for j in rows for k in rows
    ) / len(s) ** 3
    same(value, F.smooth_l1_loss(published_angles(s), published_angles(t)), atol=1e-12)
    return value


def published_angles(x):
    sides = F.normalize(x.unsqueeze(0) - x.unsqueeze(1), p=2, dim=2)
    return torch.bmm(sides, sides.transpose(1, 2)).flatten()


def similarity_preserving(case):
    return similarity(case.student[0], case.teacher[0])


def similarity(s, t):
    rows = range(len(s))

    def similar(x):
        gram = [[(x[i] * x[j]).sum() for j in rows] for i in rows]
        lengths = [sum(g * g for g in row) ** 0.5 for row in gram]
        return [[g / length for g in row] for row, length in zip(gram, lengths)]

    of, against = similar(s), similar(t)
    value = sum((of[i][j] - against[i][j]) ** 2 for i in rows for j in rows) / len(s) ** 2
    published = F.normalize(t @ t.T) - F.normalize(s @ s.T)
    same(value, (published * published).sum() / len(s) ** 2, atol=1e-12)
    return value


def flattened_similarity_preserving(case):
    total = 0.0
    for i, j in case.pairs:
        s, t = flattened(case, case.student[i]), flattened(case, case.teacher[j])
        total = total + similarity(s, t)
    return total / len(case.pairs)


def flattened(case, x):
    if x.dim() == 3 and case.mask is not None:
        x = x * case.mask.unsqueeze(-1)
    return x.flatten(1)


def correlation_congruence(case):
    s, t = case.student[0], case.teacher[0]
    gamma = case.options.get("gamma", 0.4)
    order = int(case.options.get("order", 2))
    rows = range(len(s))

    def kernel(x, i, j):
        cosine = (x[i] * x[j]).sum() / (x[i].norm() * x[j].norm())
        series = sum((2 * gamma * cosine) ** p / float(math.factorial(p)) for p in range(order + 1))
        return math.exp(-2 * gamma) * series

    value = sum((kernel(s, i, j) - kernel(t, i, j)) ** 2 for i in rows for j in rows) / len(s) ** 2

    def published(x):
        cosines = F.normalize(x) @ F.normalize(x).T
        return sum(
            math.exp(-2 * gamma) * (2 * gamma) ** p / float(math.factorial(p)) * cosines.pow(p)
            for p in range(order + 1)
        )

    same(value, F.mse_loss(published(s), published(t)), atol=1e-12)
    if order > 20:
        gaussian = [
            (-gamma * torch.cdist(F.normalize(x), F.normalize(x)) ** 2).exp() for x in (s, t)
        ]
        same(value, F.mse_loss(*gaussian), rtol=1e-9)
    return value


def probabilistic_transfer(case):
    s, t = case.student[0], case.teacher[0]
    rows = range(len(s))

    def pick(x):
        similar = [
            [
                (1 + (x[i] * x[j]).sum() / (x[i].norm() * x[j].norm())) / 2
                for j in rows
            ]
            for i in rows
        ]
        return [[k / sum(row) for k in row] for row in similar]

    q, p = pick(s), pick(t)
    value = sum(p[i][j] * (p[i][j].log() - q[i][j].log()) for i in rows for j in rows) / len(s)

    def published(x):
        cosines = (F.normalize(x) @ F.normalize(x).T + 1) / 2
        return cosines / cosines.sum(1, keepdim=True)

    program = torch.mean(published(t) * torch.log(published(t) / published(s)))
    same(value, len(s) * program, atol=1e-12)
    return value


def cka(case):
    return misaligned(case.student[0], case.teacher[0])


def misaligned(s, t):
    x, y = s - s.mean(0), t - t.mean(0)
    value = 1 - (y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())
    centre = torch.eye(len(s), dtype=s.dtype) - 1 / len(s)

    def hsic(k, l):
        return torch.trace(k @ centre @ l @ centre)

    k, l = s @ s.T, t @ t.T
    same(value, 1 - hsic(k, l) / (hsic(k, k) * hsic(l, l)).sqrt(), atol=1e-12)
    return value


def pooled_cka(case):
    total = 0.0
    for i, j in case.pairs:
        total = total + misaligned(pooled(case, case.student[i]), pooled(case, case.teacher[j]))
    return total / len(case.pairs)


def pooled(case, x):
    if x.dim() == 4:
        return x.mean((2, 3))
    if x.dim() == 3:
        return torch.stack([x[i][case.mask[i] > 0].mean(0) for i in range(len(x))])
    return x


def pair(name, seed, rows, widths, scales=(1, 1), **more):
    return {
        "name": name,
        "student": [embedding(seed, scales[0], rows, widths[0])],
        "teacher": [embedding(seed + 1, scales[1], rows, widths[1])],
        **more,
    }


def relations(seed):
    """The cases that every relation has: batches of 2 to 9 rows, equal and unequal widths."""
    return [
        pair("equal widths", seed, 5, (4, 4)),
        pair("unequal widths", seed + 10, 6, (3, 8)),
        pair("unequal lengths", seed + 20, 4, (6, 5), (64, 0.0625)),
        pair("two rows", seed + 30, 2, (3, 4)),
        pair("more rows than widths", seed + 40, 9, (2, 3)),
        pair("fewer rows than widths", seed + 50, 3, (16, 24)),
    ]


def rows_written(name, student, teacher):
    def written(rows):
        flat = [float(x) for row in rows for x in row]
        return {**embedding(0, 1, len(rows), len(rows[0])), "values": flat}

    return {"name": name, "student": [written(student)], "teacher": [written(teacher)]}


EQUAL_ROWS = rows_written(
    "equal rows",
    [[1, 0.5], [1, 0.5], [0, -2], [3, 1]],
    [[0, 1, 2], [1, 1, 1], [2, 0.5, 0], [2, 0.5, 0]],
)

PADDED = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]


def layered(name, seed, student, teacher, pairs, rows=None, layers=1):
    case = {
        "name": name,
        "student": [hidden(seed + i, 1, *student) for i in range(layers)],
        "teacher": [hidden(seed + 50 + i, 1, *teacher) for i in range(layers)],
        "pairs": pairs,
    }
    if rows:
        case["mask"] = mask(rows)
    return case


def layers(seed):
    both = [[0, 1], [1, 0]]
    return [
        layered("rows without tokens", seed, [4, 3], [4, 5], [[0, 0]]),
        layered("tokens, no padding", seed + 1, [3, 2, 2], [3, 2, 4], [[0, 0]], [[1, 1]] * 3),
        layered("tokens, padding", seed + 2, [3, 4, 2], [3, 4, 3], [[0, 0]], PADDED),
        layered("two pairs, padding", seed + 3, [3, 4, 2], [3, 4, 3], both, PADDED, 2),
        layered("pixels", seed + 7, [4, 2, 3, 3], [4, 3, 2, 2], [[0, 0]]),
    ]


write(
    {
        "relationalDistance": (
            relational_distance,
            relations(1501) + [EQUAL_ROWS, pair("one row", 1571, 1, (3, 4))],
        ),
        "relationalAngle": (
            relational_angle,
            [c for c in relations(1601) if c["name"] != "two rows"],
        ),
        "similarityPreserving": (similarity_preserving, relations(1701)),
        "flattenedSimilarityPreserving": (flattened_similarity_preserving, layers(1801)),
        "correlationCongruence": (
            correlation_congruence,
            relations(1901)
            + [
                pair("bilinear", 1961, 4, (3, 4), options={"gamma": 0.5, "order": 1}),
                pair("order 3", 1971, 4, (3, 4), options={"gamma": 2, "order": 3}),
                pair("order 30", 1981, 4, (3, 4), options={"gamma": 1, "order": 30}),
            ],
        ),
        "probabilisticTransfer": (probabilistic_transfer, relations(2001)),
        "cka": (cka, [c for c in relations(2101) if c["name"] != "two rows"]),
        "pooledCka": (pooled_cka, layers(2201)),
    }
)
