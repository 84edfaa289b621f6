"""Writes the golden values of the losses on language models: value and gradients in float64.

    python sequence_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0 and transformers. Each loss is written out from its paper's formula,
token by token, and the script refuses to write a file unless the formula equals the published
implementation named here:

tokenLevelKl     Kim and Rush 2016: T^2 * mean over predicted tokens of KL(p || q). Equals F.kl_div on
                 shifted logits, picked by the shifted mask, reduction="batchmean", times T^2. (TRL
                 and torchtune leave T^2 out; several trainers take the mask unshifted.)
tokenLevel       alpha * tokenLevelKl + (1 - alpha) * cross-entropy, over the ids that exist. Equals
                 the same with padded logits set to -inf.
sequenceLevel    cross-entropy with the next token. Equals transformers' ForCausalLMLoss with -100
                 for tokens without a label, but is 0 and not NaN where no token has one.
universalLogit   Boizard et al. 2024: sum over sorted probabilities of |p - q|, the smaller vocabulary
                 padded with 0, token k of the student's text with token k of the teacher's. Equals
                 the ULD term of TRL's GOLD trainer (F.l1_loss of sorted, padded probabilities,
                 reduction="sum") at each pair. The mean is over the student's tokens; T^2 is this
                 library's policy for tempered losses, at the paper's T=1 it is nothing.
policyAdvantage  A_t = log p - log q of the drawn token; -mean(ratio * A). With discount 0 equals the
                 importance sampling loss of on-policy distillation with the sampler's
                 log-probabilities equal to the student's; with a discount and lengthNormalized equals
                 the advantages of MiniLLM's code (rewards to go over remaining length), which
                 whitens them next and this library does not.
chunked          the formula of tokenLevelKl on states @ weight.T.
"""

import torch
import torch.nn.functional as F
from transformers.loss.loss_utils import ForCausalLMLoss

from golden import labels, logits, mask, same, spec, write


def log_softmax(row):
    return row - row.exp().sum().log()


def predicted(case, length):
    """(row, position of the prediction) of each token that counts."""
    if case.labels is not None:
        counts = case.labels >= 0
    else:
        counts = case.mask > 0
    return [
        (n, t - 1) for n in range(counts.shape[0]) for t in range(1, length) if counts[n, t]
    ]


def token_level_kl(case, student=None, teacher=None):
    z = case.student[0] if student is None else student
    y = case.teacher[0] if teacher is None else teacher
    temperature = case.temperature
    tokens = predicted(case, z.shape[1])
    value = (z * 0).sum()
    for n, t in tokens:
        log_q, log_p = log_softmax(z[n, t] / temperature), log_softmax(y[n, t] / temperature)
        value = value + (log_p.exp() * (log_p - log_q)).sum() / len(tokens)
    value = value * temperature**2
    if tokens:
        if case.labels is not None:
            keep = case.labels[:, 1:] >= 0
        else:
            keep = case.mask[:, 1:] > 0
        log_q = F.log_softmax(z[:, :-1][keep] / temperature, -1)
        p = F.softmax(y[:, :-1][keep] / temperature, -1)
        same(value, F.kl_div(log_q, p, reduction="batchmean") * temperature**2)
    return value


def cross_entropy(case, z):
    tokens = predicted(case, z.shape[1])
    value = (z * 0).sum()
    for n, t in tokens:
        value = value - log_softmax(z[n, t])[case.labels[n, t + 1]] / len(tokens)
    if tokens:
        given = case.labels.masked_fill(case.labels < 0, -100)
        # it casts to float32
        same(value, ForCausalLMLoss(z, given, z.shape[-1]).double(), rtol=1e-5, atol=1e-6)
        flat = F.cross_entropy(
            z[:, :-1].flatten(0, 1), given[:, 1:].flatten(), ignore_index=-100
        )
        same(value, flat)
    return value


def sequence_level(case):
    return cross_entropy(case, case.student[0])


def token_level(case):
    alpha, size = case.options["alpha"], int(case.options["vocabularySize"])
    z, y = case.student[0][..., :size], case.teacher[0][..., :size]
    value = alpha * token_level_kl(case, z, y) + (1 - alpha) * cross_entropy(case, z)

    keep = case.labels[:, 1:] >= 0
    wide = max(case.student[0].shape[-1], case.teacher[0].shape[-1])
    z, y = (ruled_out(a, size, wide)[:, :-1][keep] for a in (case.student[0], case.teacher[0]))
    log_q, p = F.log_softmax(z / case.temperature, -1), F.softmax(y / case.temperature, -1)
    kl = F.kl_div(log_q[:, :size], p[:, :size], reduction="batchmean") * case.temperature**2
    same(value, alpha * kl + (1 - alpha) * F.cross_entropy(z, case.labels[:, 1:][keep]))
    return value


def ruled_out(array, size, wide):
    padded = F.pad(array.detach(), (0, wide - array.shape[-1]))
    padded[..., size:] = -torch.inf
    return padded


def universal_logit(case):
    z, y, temperature = case.student[0], case.teacher[0], case.temperature
    tokens = predicted(case, z.shape[1])
    value = (z * 0).sum()
    for n in range(z.shape[0]):
        own = [t for row, t in tokens if row == n]
        others = [t - 1 for t in range(1, y.shape[1]) if case.teacher_mask[n, t] > 0]
        for s, t in zip(own, others):
            q = sorted(log_softmax(z[n, s] / temperature).exp(), reverse=True)
            p = sorted(log_softmax(y[n, t] / temperature).exp(), reverse=True)
            distance = 0
            for i in range(max(len(p), len(q))):
                p_i = p[i] if i < len(p) else 0
                q_i = q[i] if i < len(q) else 0
                distance = distance + abs(p_i - q_i)
            same(distance, gold_uld(z[n, s], y[n, t], temperature))
            value = value + temperature**2 * distance / len(tokens)
    return value


def gold_uld(student, teacher, temperature):
    q = F.softmax(student / temperature, -1).sort(descending=True).values
    p = F.softmax(teacher / temperature, -1).sort(descending=True).values
    size = max(len(p), len(q))
    return F.l1_loss(
        F.pad(q, (0, size - len(q))), F.pad(p, (0, size - len(p))), reduction="sum"
    )


def policy_advantage(case):
    z, y, temperature = case.student[0], case.teacher[0], case.temperature
    discount, normalized = case.options["discount"], case.options["lengthNormalized"] == 1
    tokens = predicted(case, z.shape[1])
    drawn = {(n, t): int(case.labels[n, t + 1]) for n, t in tokens}
    log_q = {k: log_softmax(z[k] / temperature)[x] for k, x in drawn.items()}
    log_p = {k: log_softmax(y[k] / temperature)[x] for k, x in drawn.items()}
    value = (z * 0).sum()
    for n, t in tokens:
        later = [k for row, k in tokens if row == n and k >= t]
        advantage = sum(discount ** (k - t) * (log_p[n, k] - log_q[n, k]).detach() for k in later)
        if normalized:
            advantage = advantage / len(later)
        ratio = (log_q[n, t] - log_q[n, t].detach()).exp()
        value = value - ratio * advantage / len(tokens)
    value = value * temperature**2
    if tokens:
        same(value, published_policy(case, discount, normalized) * temperature**2)
    return value


def published_policy(case, discount, normalized):
    """Rewards to go over remaining length by cumulative sums, then the importance sampling loss."""
    kept = (case.labels[:, 1:] >= 0).double()
    index = case.labels[:, 1:].clamp(min=0)[..., None]
    log_q, log_p = (
        F.log_softmax(a[:, :-1] / case.temperature, -1).gather(-1, index)[..., 0]
        for a in (case.student[0], case.teacher[0])
    )
    reward = (log_p - log_q).detach() * kept
    last, advantages = 0, []
    for t in reversed(range(reward.shape[1])):
        last = reward[:, t] + discount * last
        advantages.append(last)
    advantage = torch.stack(advantages[::-1], 1)
    if normalized:
        length = kept.cumsum(1)
        advantage = advantage / (kept - length + length[:, -1:]).clamp(min=1)
    return -((log_q - log_q.detach()).exp() * advantage * kept).sum() / kept.sum()


def chunked(case):
    z = case.student[0] @ case.student[1].T
    y = case.teacher[0] @ case.teacher[1].T
    return token_level_kl(case, z, y)


def pair(name, seed, scale, shape, teacher=None, **more):
    """A case of both models' logits [N, L, V]."""
    return {
        "name": name,
        "student": [logits(seed, scale, *shape)],
        "teacher": [logits(seed + 1, scale, *(teacher or shape))],
        **more,
    }


def ids(rows):
    return labels([x for row in rows for x in row], len(rows), len(rows[0]))


def factors(seed, scale, rows, length, width, vocabulary):
    return [
        spec(seed, scale, rows, length, width, kind="LOGIT_FACTORS"),
        spec(seed + 1, scale, vocabulary, width, kind="LOGIT_FACTORS", shared=True),
    ]


def factored(name, seed, scale, shape, widths, **more):
    rows, length, vocabulary = shape
    return {
        "name": name,
        "student": factors(seed, scale, rows, length, widths[0], vocabulary),
        "teacher": factors(seed + 2, scale, rows, length, widths[1], vocabulary),
        **more,
    }


# padding behind, padding before, a hole, one token alone
MASK = [[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1], [1, 0, 0, 0]]
LABELS = [[0, 1, 1, -1], [-1, -1, 0, 1], [1, 0, -1, 1], [1, -1, -1, -1]]
WORDS = [[3, 1, 4, 1], [-1, -1, 5, 9], [2, 6, -1, 5], [3, -1, -1, -1]]
NONE = [[-1] * 4] * 2
TEACHER_MASK = [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 1, 1]]
POLICY = [(0, 0), (0.5, 0), (0.95, 1), (1, 0), (1, 1)]

write(
    {
        "tokenLevelKl": (
            token_level_kl,
            [
                pair("T=1, 2 ids", 511, 4, (4, 4, 2), mask=mask(MASK), temperature=1),
                pair("T=2, 10 ids", 521, 4, (4, 4, 10), mask=mask(MASK), temperature=2),
                pair("T=4, 10 ids, labels", 531, 8, (4, 4, 10), labels=ids(WORDS), temperature=4),
                pair("T=20, 10 ids", 541, 16, (4, 4, 10), mask=mask(MASK), temperature=20),
                pair("T=1, 1000 ids", 551, 8, (2, 3, 1000), mask=mask([[1] * 3, [1, 1, 0]])),
                pair("everything padded", 561, 2, (2, 4, 10), mask=mask([[0] * 4] * 2)),
            ],
        ),
        "tokenLevel": (
            token_level,
            [
                pair(
                    name,
                    seed,
                    4,
                    (4, 4, widths[0]),
                    (4, 4, widths[1]),
                    labels=ids(WORDS),
                    temperature=temperature,
                    options={"alpha": alpha, "vocabularySize": 10},
                )
                for name, seed, widths, temperature, alpha in [
                    ("no padding", 611, (10, 10), 1, 0.5),
                    ("student padded", 621, (12, 10), 2, 0.75),
                    ("teacher padded", 631, (10, 16), 4, 0.75),
                    ("both padded", 641, (12, 16), 20, 0.875),
                    ("both padded alike", 651, (16, 16), 1, 0.25),
                ]
            ],
        ),
        "sequenceLevel": (
            sequence_level,
            [
                {
                    "name": name,
                    "student": [logits(seed, scale, len(given), len(given[0]), vocabulary)],
                    "labels": ids(given),
                }
                for name, seed, scale, vocabulary, given in [
                    ("2 ids", 711, 4, 2, LABELS),
                    ("10 ids", 721, 4, 10, WORDS),
                    ("10 ids, all labelled", 731, 8, 10, [[1, 2, 3], [4, 5, 6]]),
                    ("1000 ids", 741, 8, 1000, [[0, 999, -1], [-1, 1, 2]]),
                    ("one token", 751, 2, 10, [[-1, -1, 7]]),
                    ("no labels", 761, 2, 10, NONE),
                ]
            ],
        ),
        "universalLogit": (
            universal_logit,
            [
                pair(
                    name,
                    seed,
                    4,
                    (4, 4, sizes[0]),
                    (4, 5, sizes[1]),
                    mask=mask(MASK),
                    temperature=temperature,
                    **{"teacherMask": mask(TEACHER_MASK), **more},
                )
                for name, seed, sizes, temperature, more in [
                    ("larger teacher", 811, (7, 10), 1, {}),
                    ("larger student", 821, (10, 7), 1, {}),
                    ("2 ids", 831, (2, 2), 2, {}),
                    ("T=4", 841, (10, 12), 4, {}),
                    ("T=20", 851, (10, 10), 20, {}),
                    ("labels decide", 861, (10, 12), 1, {"labels": ids(WORDS)}),
                    ("teacher without tokens", 871, (3, 4), 1, {"teacherMask": mask([[0] * 5] * 4)}),
                ]
            ]
            + [
                pair(
                    "1000 ids",
                    881,
                    8,
                    (1, 3, 1000),
                    (1, 2, 900),
                    mask=mask([[1, 1, 1]]),
                    teacherMask=mask([[1, 1]]),
                )
            ],
        ),
        "policyAdvantage": (
            policy_advantage,
            [
                pair(
                    f"discount={discount}, lengthNormalized={normalized}, T={temperature}",
                    911 + 10 * i,
                    4,
                    (4, 4, 10),
                    labels=ids(WORDS),
                    temperature=temperature,
                    options={"discount": discount, "lengthNormalized": normalized},
                )
                for i, (discount, normalized) in enumerate(POLICY)
                for temperature in (1, 2)
            ]
            + [
                pair(
                    name,
                    seed,
                    scale,
                    shape,
                    labels=ids(given),
                    temperature=temperature,
                    options={"discount": 0.5, "lengthNormalized": 1},
                )
                for name, seed, scale, shape, given, temperature in [
                    ("2 ids", 971, 4, (4, 4, 2), LABELS, 1),
                    ("1000 ids", 981, 8, (1, 4, 1000), [[5, 999, 0, -1]], 1),
                    ("no labels", 991, 2, (2, 4, 10), NONE, 1),
                    ("T=4, 10 ids", 1001, 8, (4, 4, 10), WORDS, 4),
                    ("T=20, 10 ids", 1011, 16, (4, 4, 10), WORDS, 20),
                ]
            ],
        ),
        "chunked": (
            chunked,
            [
                factored(
                    name,
                    seed,
                    2,
                    (4, 4, vocabulary),
                    (3, 5),
                    temperature=temperature,
                    options={"chunkSize": size},
                    **counted,
                )
                for name, seed, vocabulary, temperature, size, counted in [
                    ("one chunk", 1011, 10, 1, 64, {"mask": mask(MASK)}),
                    ("one token a chunk", 1021, 10, 2, 1, {"mask": mask(MASK)}),
                    ("chunks of 3", 1031, 10, 4, 3, {"mask": mask(MASK)}),
                    ("chunks of 4, labels", 1041, 10, 20, 4, {"labels": ids(WORDS)}),
                    ("2 ids", 1051, 2, 1, 2, {"labels": ids(LABELS)}),
                    ("1000 ids", 1061, 1000, 1, 2, {"mask": mask(MASK)}),
                    ("nothing counts", 1071, 10, 1, 2, {"mask": mask([[0] * 4] * 4)}),
                ]
            ],
        ),
    }
)
