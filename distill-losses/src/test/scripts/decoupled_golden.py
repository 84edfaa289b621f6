"""Writes the golden values of the decoupled, ranked and corrected losses on logits, in float64.

    python decoupled_golden.py [DIRECTORY]      default: ../resources/golden beside this script

Written with PyTorch 2.15.0; another version may differ in the last digits of float64. Each loss is
written out from its paper's formula, and the script refuses to write a file unless the formula
equals what is named here. Rows whose label is negative do not count in losses that read labels.

decoupledKd      Zhao et al. 2022: T^2 * (alpha TCKD + beta NCKD). Equals F.kl_div of the two parts
                 as megvii-research/mdistiller takes them, which subtracts 1000 from the label's
                 logit where the label is left out here; and obeys KL = TCKD + (1 - p_y) NCKD.
normalizedKd     Yang et al. 2023: the label's part at temperature 1, the other classes' at T.
                 Equals yzd-v/cls_KD in the version whose mask leaves the label out, as the paper
                 does; the mask of another version is true everywhere. Its cross-entropy with the label
                 is a loss of its own there and here.
standardized     Sun et al. 2024: torch.std, so the sample's deviation, + 1e-7, as
                 sunshangquan/logit-standardization-KD. Around soft targets up to T 4; around
                 normalizedKd at T 20, where the divergence of such flat distributions has fewer
                 than five digits in float32. Not for 2 classes, where the gradient is rounding.
dist             Huang et al. 2022, times T^2 as hunto/DIST_KD. Equals F.cosine_similarity of centred
                 numbers, which bounds norms; the published code adds 1e-8 to their product.
hingeRank        arcee-ai/DistillKit's dense hinge, at temperature T and times T^2 (there T is 1).
                 The mean is over the pairs of a row and then over rows; there over all pairs.
logisticRank     Burges et al. 2005: equals F.binary_cross_entropy_with_logits of gaps against 1.
correctedTeacher Belcak et al. 2025. Equals NVIDIA Model-Optimizer's MFTLoss where the teacher is
                 wrong, but for its 1e-7 in a denominator; where the teacher is right that also
                 raises the label by tau by default, and this does not.
multiLabel       Yang et al. 2023 (L2D): the sum over classes of two-way soft targets on (z, 0).
                 Equals differences of F.binary_cross_entropy_with_logits.
regression       Squared error summed over outputs; with delta F.huber_loss.
"""

import torch
import torch.nn.functional as F

from golden import labels, logits, same, write


def softmax(z):
    return z.exp() / z.exp().sum(1, keepdim=True)


def labelled_rows(case):
    """The logits of both models and the labels, of the rows that have one."""
    rows = (case.labels >= 0).nonzero().flatten()
    return case.student[0][rows], case.teacher[0][rows], case.labels[rows]


def nothing(case):
    return (case.student[0] * 0).sum()


def without(z, y):
    """Logits without the label's column: [N, C - 1]."""
    others = [[c for c in range(z.shape[1]) if c != label] for label in y.tolist()]
    return z.gather(1, torch.tensor(others))


def divergence(p, q):
    return (p * (p.log() - q.log())).sum(1)


def decoupled_kd(case):
    z, t, y = labelled_rows(case)
    if not len(y):
        return nothing(case)
    temperature = case.temperature
    alpha, beta = case.options.get("alpha", 1), case.options.get("beta", 8)
    p, q = softmax(t / temperature), softmax(z / temperature)
    p_y, q_y = p.gather(1, y[:, None]), q.gather(1, y[:, None])
    p_rest = without(p, y).sum(1, keepdim=True)
    q_rest = without(q, y).sum(1, keepdim=True)
    tckd = divergence(torch.cat([p_y, p_rest], 1), torch.cat([q_y, q_rest], 1))
    nckd = divergence(softmax(without(t / temperature, y)), softmax(without(z / temperature, y)))
    same(divergence(p, q), tckd + p_rest[:, 0] * nckd)
    label = F.one_hot(y, z.shape[1])
    published = alpha * F.kl_div(
        torch.cat([q_y, q_rest], 1).log(), torch.cat([p_y, p_rest], 1), reduction="batchmean"
    ) + beta * F.kl_div(
        F.log_softmax(z / temperature - 1000 * label, 1),
        F.softmax(t / temperature - 1000 * label, 1),
        reduction="batchmean",
    )
    value = temperature**2 * (alpha * tckd + beta * nckd).mean()
    same(value, published * temperature**2)
    return value


def normalized_kd(case):
    z, t, y = labelled_rows(case)
    if not len(y):
        return nothing(case)
    return normalized(z, t, y, case.temperature, case.options.get("gamma", 1.5))


def normalized(z, t, y, temperature, gamma):
    p_y = softmax(t).gather(1, y[:, None])[:, 0]
    q_y = softmax(z).gather(1, y[:, None])[:, 0]
    p_others = softmax(without(t / temperature, y))
    q_others = softmax(without(z / temperature, y))
    target = -p_y * q_y.log()
    non_target = -(p_others * q_others.log()).sum(1)
    value = (target + gamma * temperature**2 * non_target).mean()
    same(target, p_y * F.cross_entropy(z, y, reduction="none"))
    same(non_target, F.cross_entropy(without(z, y) / temperature, p_others, reduction="none"))
    return value


def standardized(case):
    z, t = case.student[0], case.teacher[0]
    count = z.shape[1]

    def standard(x):
        mean = x.sum(1, keepdim=True) / count
        deviation = (((x - mean) ** 2).sum(1, keepdim=True) / (count - 1)).sqrt()
        same(deviation, torch.std(x, -1, keepdim=True))
        return (x - mean) / (deviation + 1e-7)

    temperature = case.temperature
    if case.labels is not None:
        return normalized(standard(z), standard(t), case.labels, temperature, case.options["gamma"])
    p, q = softmax(standard(t) / temperature), softmax(standard(z) / temperature)
    return temperature**2 * divergence(p, q).mean()


def pearson(x, y):
    """Pearson's correlation of rows; 0 where a row does not vary."""
    a, b = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    if x.shape[1] == 1:
        return (a * b).sum(1)
    rho = (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1)).sqrt()
    same(rho, F.cosine_similarity(a, b, eps=1e-30), rtol=1e-9)
    return rho


def dist(case):
    temperature = case.temperature
    beta, gamma = case.options.get("beta", 1), case.options.get("gamma", 1)
    q, p = softmax(case.student[0] / temperature), softmax(case.teacher[0] / temperature)
    inter, intra = 1 - pearson(q, p).mean(), 1 - pearson(q.T, p.T).mean()
    return temperature**2 * (beta * inter + gamma * intra)


def over_pairs(losses, t):
    ranked = t[:, :, None] > t[:, None, :]
    return ((losses * ranked).sum((1, 2)) / ranked.sum((1, 2)).clamp(min=1)).mean()


def gaps(x):
    return x[:, :, None] - x[:, None, :]


def hinge_rank(case):
    z, t, temperature = case.student[0], case.teacher[0], case.temperature
    q, p = softmax(z / temperature), softmax(t / temperature)
    margin = case.options["margin"] if "margin" in case.options else gaps(p)
    return temperature**2 * over_pairs((margin - gaps(q)).clamp(min=0), t)


def logistic_rank(case):
    z, t = case.student[0], case.teacher[0]
    losses = (1 + (-gaps(z)).exp()).log()
    one = torch.ones_like(losses)
    same(losses, F.binary_cross_entropy_with_logits(gaps(z), one, reduction="none"), rtol=1e-6)
    return over_pairs(F.binary_cross_entropy_with_logits(gaps(z), one, reduction="none"), t)


def corrected_teacher(case):
    z, t, y = labelled_rows(case)
    if not len(y):
        return nothing(case)
    temperature, tau = case.temperature, case.options.get("tau", 0.2)
    p, q = softmax(t / temperature), softmax(z / temperature)
    corrected = p.clone()
    for row, label in enumerate(y.tolist()):
        best = p[row].argmax().item()
        if best == label:
            continue
        share = (p[row, best] - p[row, label] + tau) / (1 + p[row, best] - p[row, label])
        corrected[row] = (1 - share) * p[row]
        corrected[row, label] += share
        same(corrected[row, label] - corrected[row, best], torch.tensor(tau, dtype=torch.float64))
    same(corrected.sum(1), torch.ones(len(y), dtype=torch.float64))
    value = temperature**2 * F.kl_div(q.log(), corrected, reduction="batchmean")
    positive = corrected > 0
    direct = (corrected * (corrected.where(positive, torch.ones_like(p)).log() - q.log())).sum(1)
    same(value, temperature**2 * direct.mean())
    return value


def multi_label(case):
    temperature = case.temperature
    z, t = case.student[0] / temperature, case.teacher[0] / temperature
    p, q = 1 / (1 + (-t).exp()), 1 / (1 + (-z).exp())
    not_p, not_q = 1 / (1 + t.exp()), 1 / (1 + z.exp())
    each = p * (p.log() - q.log()) + not_p * (not_p.log() - not_q.log())
    entropy = F.binary_cross_entropy_with_logits(t, p, reduction="none")
    crossed = F.binary_cross_entropy_with_logits(z, p, reduction="none")
    same(each, crossed - entropy, rtol=1e-9)
    two_way = divergence(
        softmax(torch.stack([t.flatten(), 0 * t.flatten()], 1)),
        softmax(torch.stack([z.flatten(), 0 * z.flatten()], 1)),
    )
    same(each.flatten(), two_way, rtol=1e-9)
    return temperature**2 * each.sum(1).mean()


def regression(case):
    s, t = case.student[0], case.teacher[0]
    error = s - t
    if "delta" not in case.options:
        value = (error**2).sum(1).mean()
        same(value, F.mse_loss(s, t, reduction="sum") / len(s))
        return value
    delta = case.options["delta"]
    size = error.abs()
    value = torch.where(size <= delta, error**2 / 2, delta * (size - delta / 2)).sum(1).mean()
    same(value, F.huber_loss(s, t, reduction="sum", delta=delta) / len(s))
    return value


def pair(name, seed, temperature, scale, rows, classes, given=None, **more):
    """A case of both models' logits; given are the labels."""
    case = {
        "name": name,
        "temperature": temperature,
        "student": [logits(seed, scale, rows, classes)],
        "teacher": [logits(seed + 1, scale, rows, classes)],
        **more,
    }
    if given is not None:
        case["labels"] = labels(given)
    return case


def tempered(seed):
    """Cases of T in 0.5, 1, 2, 4, 20 and 2, 10, 1000 classes."""
    return [
        pair("T=1, 2 classes", seed + 10, 1, 4, 4, 2),
        pair("T=0.5, 10 classes", seed + 20, 0.5, 2, 4, 10),
        pair("T=1, 10 classes", seed + 30, 1, 4, 3, 10),
        pair("T=2, 10 classes", seed + 40, 2, 8, 5, 10),
        pair("T=4, 10 classes", seed + 50, 4, 8, 1, 10),
        pair("T=20, 2 classes", seed + 60, 20, 16, 3, 2),
        pair("T=20, 10 classes", seed + 70, 20, 16, 6, 10),
        pair("T=1, 1000 classes", seed + 80, 1, 8, 2, 1000),
        pair("T=4, 1000 classes", seed + 90, 4, 16, 3, 1000),
        pair("T=20, 1000 classes", seed + 100, 20, 32, 2, 1000),
    ]


def labelled(seed, **options):
    """The same with labels, some of them missing; the last case has options."""
    return [
        pair("T=1, 2 classes", seed + 10, 1, 4, 4, 2, [0, 1, 1, 0]),
        pair("T=0.5, 10 classes", seed + 20, 0.5, 2, 4, 10, [3, 9, 0, 5]),
        pair("T=1, partly labelled", seed + 30, 1, 4, 5, 10, [-1, 7, -1, 0, 2]),
        pair("T=2, one labelled", seed + 40, 2, 8, 3, 10, [-1, -1, 4]),
        pair("T=4, none labelled", seed + 50, 4, 8, 2, 10, [-1, -1]),
        pair("T=20, 2 classes", seed + 60, 20, 16, 3, 2, [1, -1, 0]),
        pair("T=20, 10 classes", seed + 70, 20, 16, 4, 10, [8, 1, 1, 6]),
        pair("T=1, 1000 classes", seed + 80, 1, 8, 2, 1000, [999, 0]),
        pair("T=4, 1000 classes", seed + 90, 4, 16, 3, 1000, [17, -1, 500]),
        pair("T=20, 1000 classes", seed + 100, 20, 32, 2, 1000, [3, 711]),
        pair("options", seed + 110, 3, 4, 4, 6, [5, -1, 2, 0], options=options),
    ]


write(
    {
        "decoupledKd": (decoupled_kd, labelled(2001, alpha=0.5, beta=2)),
        "normalizedKd": (normalized_kd, labelled(2201, gamma=0.5)),
        "standardized": (
            standardized,
            [
                pair("T=1, 3 classes", 2411, 1, 4, 4, 3),
                pair("T=0.5, 10 classes", 2421, 0.5, 2, 4, 10),
                pair("T=1, 10 classes", 2431, 1, 4, 3, 10),
                pair("T=2, 10 classes", 2441, 2, 8, 5, 10),
                pair("T=4, 10 classes", 2451, 4, 8, 1, 10),
                pair("T=1, 1000 classes", 2461, 1, 8, 2, 1000),
                pair("T=4, 1000 classes", 2471, 4, 16, 3, 1000),
                pair("T=20, 10 classes", 2481, 20, 16, 3, 10, [1, 9, 4], options={"gamma": 1.5}),
                pair("T=20, 1000 classes", 2491, 20, 32, 2, 1000, [7, 3], options={"gamma": 0.5}),
            ],
        ),
        "dist": (
            dist,
            tempered(2601)
            + [
                pair("options", 2721, 3, 4, 4, 6, options={"beta": 2, "gamma": 0.5}),
                pair("rows alone", 2731, 4, 4, 4, 6, options={"beta": 1, "gamma": 0}),
                pair("classes alone", 2741, 1, 4, 4, 6, options={"beta": 0, "gamma": 1}),
            ],
        ),
        "hingeRank": (
            hinge_rank,
            tempered(2801)
            + [
                pair("margin 0", 2921, 1, 4, 4, 6, options={"margin": 0}),
                pair("margin 0.25", 2931, 2, 4, 4, 10, options={"margin": 0.25}),
                pair("margin 1", 2941, 20, 4, 2, 100, options={"margin": 1}),
            ],
        ),
        "logisticRank": (logistic_rank, tempered(3001)),
        "correctedTeacher": (
            corrected_teacher,
            labelled(3201, tau=0.5)
            + [
                pair("tau 0", 3321, 1, 4, 3, 6, [0, 1, 2], options={"tau": 0}),
                pair("tau 1", 3331, 2, 4, 3, 6, [0, 1, 2], options={"tau": 1}),
            ],
        ),
        "multiLabel": (multi_label, tempered(3401) + [pair("one class", 3521, 2, 4, 5, 1)]),
        "regression": (
            regression,
            [
                pair("one output", 3601, 1, 4, 5, 1),
                pair("3 outputs", 3611, 1, 2, 4, 3),
                pair("T=20 does not matter", 3621, 20, 2, 4, 3),
                pair("1000 outputs", 3631, 1, 8, 2, 1000),
                pair("small errors", 3641, 1, 0.0625, 4, 3),
                pair("Huber, delta 1", 3651, 1, 2, 6, 3, options={"delta": 1}),
                pair("Huber, delta 0.25", 3661, 4, 2, 6, 3, options={"delta": 0.25}),
                pair("Huber, all errors small", 3671, 1, 0.25, 6, 3, options={"delta": 2}),
            ],
        ),
    }
)
