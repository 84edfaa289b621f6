"""Writes the golden values of the losses on hidden states: value and gradients in float64.

    python feature_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0. Each loss is written out from its paper's formula, position by
position, and the script refuses to write a file unless the formula equals the published
implementation named here. "RepDistiller" is github.com/HobbitLong/RepDistiller, whose formulas are
restated here, not its code.

hiddenStateMse  TinyBERT 2020: mean over pairs, real tokens and width of (W student - teacher)^2.
                With one pair and no padding equals F.mse_loss. Projectors are applied as F.linear.
hint            FitNets 2015: half the squared norm, of channels. Equals D / 2 times F.mse_loss.
                The paper's norm also runs over the pixels of a map; here positions are averaged.
hiddenStateCosine  DistilBERT 2019: 1 - cosine over real tokens. Equals F.cosine_embedding_loss
                with target 1, the loss that DistilBERT's training script calls.
patientKd       PKD 2019: squared distance of normalised first tokens. Equals D times F.mse_loss of
                F.normalize (its published code takes the mean over the width as well).
variationalInformation  VID 2019. Equals F.gaussian_nll_loss with the learned variance. RepDistiller
                has the same value but log(1 + exp(a)), which overflows.
factorTransfer  Factor Transfer 2018: the 1-norm (or squared 2-norm) of normalised factors, which
                equals F.l1_loss of F.normalize times the number of elements, plus F.mse_loss of the
                reconstruction. On purpose without the paper's pre-training, 3x3 kernels and batch
                normalisation.
activationBoundary  AB 2019. Equals RepDistiller's ABLoss before its scale (sum over channels): the
                squared hinge written with four masks.
overhaul        OFD 2019. Equals the published partial distance: squared error where
                source > target or target > 0. The margin is given as sums and counts of negative
                features, on purpose not computed from batch normalisation.
maskedGeneration  MGD 2022: two nn.Conv2d with a ReLU over masked features, mean instead of sum. The
                mask comes of the hash that is written out below.
hierarchicalContext  ReviewKD 2021. On maps equals its HCL with F.mse_loss and
                F.adaptive_avg_pool2d over whole batches; on tokens F.adaptive_avg_pool1d row by row.
reviewKd        ReviewKD 2021 with attention-based fusion, as nn.functional.conv2d and
                F.interpolate. On purpose without batch normalisation, and a mean over layers.
simKd           SimKD 2022: squared distance of embeddings. Equals D times F.mse_loss (its code takes
                the mean over the width as well).
"""

import math

import torch
import torch.nn.functional as F

from golden import embedding, hidden, mask, same, spec, write

LINEAR, CONVOLUTION, LINEAR_RELU, MLP = range(4)


def states(case, which):
    described = case.described[which]
    arrays = case.student if which == "student" else case.teacher
    return [a for s, a in zip(described, arrays) if s["kind"] == "HIDDEN_STATES"]


def projected(case, x, name="projector"):
    """Projects [..., width] by the weights of the case, if there are any."""
    p = case.parameters
    if name not in p:
        return x
    form = int(case.options.get("projector", LINEAR))
    y = torch.einsum("...i,oi->...o", x, p[name])
    same(y, F.linear(x, p[name]))
    if form != LINEAR:
        y = y + p[f"{name}.bias"]
    if form in (LINEAR_RELU, MLP):
        y = y * (y > 0)
    if form == MLP:
        y = torch.einsum("...i,oi->...o", y, p[f"{name}.out"]) + p[f"{name}.out.bias"]
    return y


def fitted(s, t):
    """Averages the larger of two maps to the smaller's height and width."""
    if s.dim() == 4:
        size = [min(s.shape[2], t.shape[2]), min(s.shape[3], t.shape[3])]
        return F.adaptive_avg_pool2d(s, size), F.adaptive_avg_pool2d(t, size)
    return s, t


def positions(x):
    """Views hidden states as [N, P, C]."""
    if x.dim() == 2:
        return x.unsqueeze(1)
    return x if x.dim() == 3 else x.flatten(2).transpose(1, 2)


def pairs(case):
    """Gives projected student and teacher of each pair as positions, the pair, and fitted maps."""
    students, teachers = states(case, "student"), states(case, "teacher")
    for s, t in case.pairs:
        a, b = fitted(students[s], teachers[t])
        yield projected(case, positions(a), f"projector.{s}.{t}"), positions(b), (s, t), (a, b)


def mean(case, per_position):
    """Averages [N, P] over real tokens, or over all positions."""
    if case.mask is None:
        return per_position.mean()
    return (per_position * case.mask).sum() / case.mask.sum().clamp(min=1)


def real(case, t):
    return torch.ones_like(t[:, :, 0]) if case.mask is None else case.mask


def everything(case):
    return case.mask is None or bool(case.mask.all())


def averaged(case, of_pair):
    values = [of_pair(*each) for each in pairs(case)]
    return sum(values) / len(values)


def hidden_state_mse(case):
    def of_pair(s, t, pair, maps):
        value = mean(case, ((s - t) ** 2).mean(-1))
        if everything(case):
            same(value, F.mse_loss(s, t))
        return value

    return averaged(case, of_pair)


def hint(case):
    def of_pair(s, t, pair, maps):
        value = mean(case, 0.5 * (s - t).norm(dim=-1) ** 2)
        if everything(case):
            same(value, F.mse_loss(s, t) * t.shape[-1] / 2)
        return value

    return averaged(case, of_pair)


def hidden_state_cosine(case):
    def of_pair(s, t, pair, maps):
        dots, a, b = (torch.einsum("npc,npc->np", *each) for each in [(s, t), (s, s), (t, t)])
        cosine = dots / a.clamp(min=1e-12).sqrt() / b.clamp(min=1e-12).sqrt()
        value = mean(case, 1 - cosine)
        kept = real(case, t).bool()
        if kept.any():
            target = torch.ones(int(kept.sum()), dtype=torch.float64)
            published = F.cosine_embedding_loss(s[kept], t[kept], target)
            same(value, published, rtol=1e-9)  # it adds 1e-12 to squared norms
        return value

    return averaged(case, of_pair)


def patient_kd(case):
    def of_pair(s, t, pair, maps):
        total = 0.0 * s.sum()
        directions = []
        for row in range(t.shape[0]):
            tokens = real(case, t)[row].nonzero()
            if len(tokens) == 0:
                continue
            a, b = s[row, tokens[0, 0]], t[row, tokens[0, 0]]
            total = total + ((a / a.norm() - b / b.norm()) ** 2).sum() / t.shape[0]
            directions.append((F.normalize(a, dim=0), F.normalize(b, dim=0)))
        if len(directions) == t.shape[0]:
            a, b = (torch.stack(each) for each in zip(*directions))
            same(total, F.mse_loss(a, b) * t.shape[-1])
        return total

    return averaged(case, of_pair)


def variational_information(case):
    def of_pair(s, t, pair, maps):
        raw = case.parameters[f"variance.{pair[0]}.{pair[1]}"]
        variance = (1 + raw.exp()).log() + 1e-5
        terms = 0.5 * ((s - t) ** 2 / variance + variance.log())
        value = mean(case, terms.mean(-1))
        if everything(case):
            spread = (F.softplus(raw) + 1e-5).expand_as(t)
            same(value, F.gaussian_nll_loss(s, t, spread), rtol=1e-9)
        return value

    return averaged(case, of_pair)


def factor_transfer(case):
    p = case.parameters
    students, teachers = states(case, "student"), states(case, "teacher")

    def network(name, pair, x):
        def weight(part):
            return p[f"{name}{part}.{pair[0]}.{pair[1]}"]

        y = x @ weight("").T + weight(".bias")
        y = torch.where(y > 0, y, 0.1 * y)
        same(y, F.leaky_relu(F.linear(x, weight(""), weight(".bias")), 0.1))
        return y @ weight(".out").T + weight(".out.bias")

    total = 0.0
    for pair in case.pairs:
        s, t = (positions(each) for each in fitted(students[pair[0]], teachers[pair[1]]))
        counts = real(case, t).unsqueeze(-1)
        factor = network("encoder", pair, t)
        reconstruction = mean(case, ((network("decoder", pair, factor) - t) ** 2).mean(-1))
        distance = 0.0
        a, b = (network("translator", pair, s) * counts), (factor.detach() * counts)
        for row in range(t.shape[0]):
            if counts[row].any():
                unit = a[row] / a[row].norm() - b[row] / b[row].norm()
                norm = unit.abs().sum() if case.options["norm"] == 1 else (unit**2).sum()
                distance = distance + norm / t.shape[0]
        if everything(case) and case.options["norm"] == 1:
            units = F.normalize(a.flatten(1)), F.normalize(b.flatten(1))
            same(distance, F.l1_loss(*units) * a[0].numel())
            same(reconstruction, F.mse_loss(network("decoder", pair, factor), t))
        total = total + (distance + reconstruction) / len(case.pairs)
    return total


def activation_boundary(case):
    margin = case.options["margin"]

    def of_pair(s, t, pair, maps):
        active = (t > 0).double()
        hinges = active * (margin - s).clamp(min=0) + (1 - active) * (margin + s).clamp(min=0)
        value = mean(case, (hinges**2).sum(-1))
        published = (s + margin) ** 2 * ((s > -margin) & (t <= 0)).double()
        published = published + (s - margin) ** 2 * ((s <= margin) & (t > 0)).double()
        same(value, mean(case, published.sum(-1)))
        return value

    return averaged(case, of_pair)


def overhaul(case):
    def of_pair(s, t, pair, maps):
        sums, counts = case.buffers[f"negatives.{pair[0]}.{pair[1]}"]
        margin = torch.tensor([a / b if b > 0 else 0.0 for a, b in zip(sums, counts)])
        target = torch.max(t, margin.double())
        outside = ~((s <= target) & (target <= 0))
        value = mean(case, torch.where(outside, (s - target) ** 2, 0.0).sum(-1))
        published = F.mse_loss(s, target, reduction="none")
        published = published * ((s > target) | (target > 0)).double()
        same(value, mean(case, published.sum(-1)))
        return value

    return averaged(case, of_pair)


def splitmix(value):
    value &= (1 << 64) - 1
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    value = (value ^ value >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
    return value ^ value >> 31


def mixed(value):
    value &= (1 << 32) - 1
    for _ in range(2):
        value = (value ^ value >> 16) * 73244475 & (1 << 32) - 1
    return value ^ value >> 16


def kept(row, at, pair, ratio):
    """Whether a position of a row is left: step 0 of a run of seed 0."""
    key = splitmix(splitmix(splitmix(0) + 0) + (pair[0] << 16) + pair[1]) >> 32
    return mixed(mixed(row + key) + at) >= round(ratio * (1 << 32))


def convolved(x, weight, bias):
    """A 3x3 convolution of [N, C, H, W] whose weight has one row a channel."""
    return F.conv2d(x, weight.reshape(weight.shape[0], -1, 3, 3), bias, padding=1)


def as_map(x, like):
    """Views positions as a map; tokens and vectors have height 1."""
    height, width = (like.shape[2], like.shape[3]) if like.dim() == 4 else (1, x.shape[1])
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], height, width)


def masked_generation(case):
    p, ratio = case.parameters, case.options["ratio"]

    def of_pair(s, t, pair, maps):
        name = f"{pair[0]}.{pair[1]}"
        vectors = maps[0].dim() == 2
        keep = torch.zeros_like(t)
        for row in range(t.shape[0]):
            for at in range(t.shape[2] if vectors else t.shape[1]):
                flag = float(kept(row, at, pair, ratio))
                if vectors:
                    keep[row, 0, at] = flag
                else:
                    keep[row, at] = flag * real(case, t)[row, at]
        counts = as_map(real(case, t).unsqueeze(-1), maps[0])
        x = as_map(s * keep, maps[0])
        x = convolved(x, p[f"generator.{name}"], p[f"generator.bias.{name}"]).relu() * counts
        x = convolved(x, p[f"generator.out.{name}"], p[f"generator.out.bias.{name}"])
        return mean(case, ((positions(x) - t) ** 2).mean(-1))

    return averaged(case, of_pair)


def context_loss(case, s, t, maps):
    """HCL: of positions, of which maps know height and width."""
    if maps[0].dim() == 4:
        a, b = as_map(s, maps[0]), as_map(t, maps[0])
        value, weights = F.mse_loss(a, b), 1.0
        for level, weight in [(4, 0.5), (2, 0.25), (1, 0.125)]:
            if level < min(a.shape[2:]):
                pooled = [F.adaptive_avg_pool2d(each, (level, level)) for each in (a, b)]
                value, weights = value + weight * F.mse_loss(*pooled), weights + weight
        return value / weights
    total = 0.0 * s.sum()
    for row in range(t.shape[0]):
        tokens = real(case, t)[row].bool()
        if not tokens.any():
            continue
        a, b = s[row, tokens].T, t[row, tokens].T
        value, weights = ((a - b) ** 2).mean(), 1.0
        for level, weight in [(4, 0.5), (2, 0.25), (1, 0.125)]:
            if maps[0].dim() == 3 and level < a.shape[1]:
                cells = []
                for cell in range(level):
                    start = cell * a.shape[1] // level
                    end = math.ceil((cell + 1) * a.shape[1] / level)
                    cells.append((a - b)[:, start:end].mean(1))
                pooled = torch.stack(cells, 1)
                same(pooled, F.adaptive_avg_pool1d(a, level) - F.adaptive_avg_pool1d(b, level))
                value, weights = value + weight * (pooled**2).mean(), weights + weight
        total = total + value / weights / t.shape[0]
    return total


def hierarchical_context(case):
    return averaged(case, lambda s, t, pair, maps: context_loss(case, s, t, maps))


def review_kd(case):
    p = case.parameters
    students, teachers = states(case, "student"), states(case, "teacher")
    fused, deeper = {}, None
    for layer in sorted({s for s, _ in case.pairs}, reverse=True):
        x = students[layer]
        weight = p[f"reduction.{layer}"]
        x = F.conv2d(as_map(positions(x), x), weight[:, :, None, None], p[f"reduction.{layer}.bias"])
        if deeper is not None:
            deeper = F.interpolate(deeper, x.shape[2:], mode="nearest")
            weight = p[f"attention.{layer}"][:, :, None, None]
            both = F.conv2d(torch.cat([x, deeper], 1), weight, p[f"attention.{layer}.bias"])
            a, b = torch.sigmoid(both).split(1, 1)
            x = a * x + b * deeper
        fused[layer] = deeper = x
    total = 0.0
    for s, t in case.pairs:
        like, target = fitted(students[s], teachers[t])
        size = as_map(positions(like), like).shape[2:]
        x = F.adaptive_avg_pool2d(fused[s], size)
        x = x * as_map(real(case, positions(target)).unsqueeze(-1), like)
        x = convolved(x, p[f"output.{s}.{t}"], p[f"output.bias.{s}.{t}"])
        value = context_loss(case, positions(x), positions(target), (like, target))
        total = total + value / len(case.pairs)
    return total


def sim_kd(case):
    s, t = projected(case, case.student[0]), case.teacher[0]
    value = ((s - t) ** 2).sum(1).mean()
    same(value, F.mse_loss(s, t) * t.shape[1])
    return value


def projector(seed, name, form, narrow, wide):
    made = {name: spec(seed, 0.5, wide, narrow)}
    if form != LINEAR:
        made[f"{name}.bias"] = spec(seed + 1, 0.25, wide)
    if form == MLP:
        made[f"{name}.out"] = spec(seed + 2, 0.5, wide, wide)
        made[f"{name}.out.bias"] = spec(seed + 3, 0.25, wide)
    return made


def array(seed, rows, width, places):
    """Hidden states: places are [] for vectors, [L] for tokens and [H, W] for maps."""
    if len(places) == 2:
        return hidden(seed, 2, rows, width, *places)
    return hidden(seed, 2, rows, *places, width)


def layered(
    name,
    seed,
    rows,
    places,
    widths,
    layer_pairs=((0, 0),),
    padding=None,
    form=LINEAR,
    always=False,
    more=None,
    buffers=None,
    **options,
):
    """A case of hidden states.

    places is that of all arrays, or those of the student's layers and those of the teacher's; more
    gives the parameters of a pair beside the projector's.
    """
    narrow, wide = widths
    of = max(s for s, _ in layer_pairs) + 1
    given = max(t for _, t in layer_pairs) + 1
    if not places or not isinstance(places[0], list):
        places = [[places] * of, [places] * given]
    parameters = {}
    for s, t in layer_pairs:
        if form is not None and (narrow != wide or always):
            parameters |= projector(seed + 90 + 4 * s, f"projector.{s}.{t}", form, narrow, wide)
        if more:
            parameters |= more(seed + 120 + 10 * s, s, t, narrow, wide)
    case = {
        "name": name,
        "student": [array(seed + i, rows, narrow, places[0][i]) for i in range(of)],
        "teacher": [array(seed + 50 + i, rows, wide, places[1][i]) for i in range(given)],
        "pairs": [list(pair) for pair in layer_pairs],
        "options": {**options, **({} if form is None else {"projector": form})},
    }
    if padding:
        case["mask"] = mask(padding)
    if parameters:
        case["parameters"] = parameters
    if buffers:
        case["buffers"] = buffers
    return case


def full(rows, length):
    return [[1] * length for _ in range(rows)]


PADDED = [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
LONG = [[1] * 9, [1] * 5 + [0] * 4, [0] * 9, [0, 0, 1, 1, 0, 1, 0, 0, 0]]
POOLED = [[[4, 6]], [[3, 3]]]


def usual(seed, **options):
    """The cases that every loss on positions has."""
    return [
        layered("vectors", seed, 3, [], (4, 4), **options),
        layered("tokens, no padding", seed + 200, 2, [3], (4, 4), padding=full(2, 3), **options),
        layered(
            "tokens, padding, two pairs",
            seed + 400,
            3,
            [4],
            (3, 3),
            ((0, 1), (1, 3)),
            PADDED,
            **options,
        ),
        layered("tokens, matrix", seed + 600, 3, [4], (2, 5), padding=PADDED, **options),
        layered(
            "tokens, 1x1 convolution", seed + 800, 3, [4], (4, 2), padding=PADDED,
            **{**options, "form": CONVOLUTION},
        ),
        layered(
            "vectors, activation", seed + 1000, 4, [], (3, 6),
            **{**options, "form": LINEAR_RELU},
        ),
        layered("maps, two layers", seed + 1200, 2, [3, 2], (2, 3), **{**options, "form": MLP}),
        layered("maps of two sizes", seed + 1400, 2, POOLED, (3, 3), **options),
        layered("everything padded", seed + 1600, 2, [2], (3, 3), padding=[[0, 0]] * 2, **options),
    ]


def variances(seed, s, t, narrow, wide):
    return {f"variance.{s}.{t}": spec(seed, 2, wide)}


def factors(rate):
    def more(seed, s, t, narrow, wide):
        width = max(1, round(rate * wide))
        made = {}
        sides = {"translator": (narrow, width), "encoder": (wide, width), "decoder": (width, wide)}
        for i, (name, (start, end)) in enumerate(sides.items()):
            made[f"{name}.{s}.{t}"] = spec(seed + 4 * i, 0.5, end, start)
            made[f"{name}.bias.{s}.{t}"] = spec(seed + 4 * i + 1, 0.25, end)
            made[f"{name}.out.{s}.{t}"] = spec(seed + 4 * i + 2, 0.5, end, end)
            made[f"{name}.out.bias.{s}.{t}"] = spec(seed + 4 * i + 3, 0.25, end)
        return made

    return more


def factored(name, seed, rows, places, widths, rate, norm, **more):
    return layered(
        name, seed, rows, places, widths, form=None, more=factors(rate), rate=rate, norm=norm, **more
    )


def generators(seed, s, t, narrow, wide):
    return {
        f"generator.{s}.{t}": spec(seed, 0.5, wide, 9 * wide),
        f"generator.bias.{s}.{t}": spec(seed + 1, 0.25, wide),
        f"generator.out.{s}.{t}": spec(seed + 2, 0.5, wide, 9 * wide),
        f"generator.out.bias.{s}.{t}": spec(seed + 3, 0.25, wide),
    }


def generated(name, seed, rows, places, widths, ratio, **more):
    return layered(name, seed, rows, places, widths, more=generators, ratio=ratio, **more)


def reviewed(name, seed, rows, places, widths, width, layer_pairs, padding=None):
    """A case of ReviewKD; width is that in which layers are fused."""
    deepest = max(s for s, _ in layer_pairs)

    def more(first, s, t, narrow, wide):
        made = {
            f"reduction.{s}": spec(first, 0.5, width, narrow),
            f"reduction.{s}.bias": spec(first + 1, 0.25, width),
            f"output.{s}.{t}": spec(first + 4, 0.5, wide, 9 * width),
            f"output.bias.{s}.{t}": spec(first + 5, 0.25, wide),
        }
        if s < deepest:
            made[f"attention.{s}"] = spec(first + 2, 1, 2, 2 * width)
            made[f"attention.{s}.bias"] = spec(first + 3, 0.5, 2)
        return made

    return layered(
        name, seed, rows, places, widths, layer_pairs, padding, form=None, more=more, width=width
    )


def margins(seed, places, widths, **more):
    wide = widths[1]
    sums = [-0.5 * c * (c + 1) for c in range(wide)]
    counts = [float(3 * c) for c in range(wide)]
    seen = spec(0, 1, 2, wide, values=sums + counts)
    layer_pairs = more.pop("layer_pairs", ((0, 0),))
    buffers = {f"negatives.{s}.{t}": seen for s, t in layer_pairs}
    name, rows = more.pop("name"), more.pop("rows")
    return layered(name, seed, rows, places, widths, layer_pairs, buffers=buffers, **more)


def embedded(name, seed, rows, widths, form):
    case = {
        "name": name,
        "student": [embedding(seed, 2, rows, widths[0])],
        "teacher": [embedding(seed + 1, 2, rows, widths[1])],
        "options": {"projector": form},
    }
    if widths[0] != widths[1]:
        case["parameters"] = projector(seed + 2, "projector", form, *widths)
    return case


write(
    {
        "hiddenStateMse": (hidden_state_mse, usual(311)),
        "hint": (hint, usual(2311)),
        "hiddenStateCosine": (hidden_state_cosine, usual(4311)),
        "patientKd": (
            patient_kd,
            [
                layered("vectors", 6311, 3, [], (4, 4)),
                layered("tokens, no padding", 6321, 2, [3], (4, 4), padding=full(2, 3)),
                layered(
                    "padding, two pairs", 6331, 3, [4], (3, 3), ((0, 1), (1, 3)), PADDED
                ),
                layered(
                    "padding on the left, and a row of it",
                    6341,
                    3,
                    [4],
                    (3, 3),
                    padding=[[0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]],
                ),
                layered("tokens, matrix", 6351, 3, [4], (2, 5), padding=PADDED),
                layered("vectors, two layers", 6361, 4, [], (3, 6), form=MLP),
            ],
        ),
        "variationalInformation": (
            variational_information,
            usual(8311, more=variances, always=True),
        ),
        "factorTransfer": (
            factor_transfer,
            [
                factored("vectors", 10311, 3, [], (3, 4), 0.5, 1),
                factored("tokens, no padding", 10321, 2, [3], (4, 4), 0.5, 1, padding=full(2, 3)),
                factored(
                    "tokens, padding, two pairs",
                    10331,
                    3,
                    [4],
                    (2, 3),
                    0.75,
                    1,
                    layer_pairs=((0, 0), (1, 1)),
                    padding=PADDED,
                ),
                factored("squares", 10341, 3, [4], (3, 3), 2, 2, padding=PADDED),
                factored("maps", 10351, 2, [3, 2], (2, 4), 0.5, 1),
                factored("maps of two sizes", 10361, 2, POOLED, (3, 2), 1, 2),
            ],
        ),
        "activationBoundary": (
            activation_boundary,
            [
                *usual(12311, margin=1),
                layered("margin 0.25", 14311, 3, [], (4, 4), margin=0.25),
            ],
        ),
        "overhaul": (
            overhaul,
            [
                margins(16311, [], (4, 4), name="vectors", rows=3),
                margins(16321, [3], (4, 4), name="tokens", rows=2, padding=full(2, 3)),
                margins(
                    16331,
                    [4],
                    (3, 3),
                    name="tokens, padding, two pairs",
                    rows=3,
                    padding=PADDED,
                    layer_pairs=((0, 0), (1, 1)),
                ),
                margins(
                    16341, [3, 2], (2, 3), name="maps, 1x1 convolution", rows=2, form=CONVOLUTION
                ),
                margins(16351, POOLED, (3, 3), name="maps of two sizes", rows=2),
                margins(16361, [], (2, 5), name="vectors, two layers", rows=4, form=MLP),
            ],
        ),
        "maskedGeneration": (
            masked_generation,
            [
                generated("vectors", 18311, 3, [], (4, 4), 0.5),
                generated("tokens", 18321, 2, [6], (3, 3), 0.5, padding=full(2, 6)),
                generated(
                    "tokens, padding, two pairs",
                    18331,
                    3,
                    [4],
                    (2, 3),
                    0.25,
                    layer_pairs=((0, 0), (1, 1)),
                    padding=PADDED,
                ),
                generated("maps", 18341, 2, [4, 5], (2, 2), 0.65),
                generated("maps, two layers", 18351, 2, [3, 3], (2, 3), 0.15, form=MLP),
                generated("maps of two sizes", 18361, 2, POOLED, (2, 2), 0.65),
                generated("maps of one column", 18371, 2, [4, 1], (2, 2), 0.5),
                generated("nothing masked", 18381, 2, [3, 4], (2, 2), 0),
            ],
        ),
        "hierarchicalContext": (
            hierarchical_context,
            [
                *usual(20311),
                layered("long tokens", 22311, 4, [9], (2, 2), padding=LONG),
                layered("larger maps", 22321, 2, [6, 5], (2, 2)),
                layered("maps of all levels", 22331, 1, [8, 9], (1, 1)),
                layered("1x1 convolution", 22341, 2, [5, 3], (2, 3), form=CONVOLUTION),
            ],
        ),
        "reviewKd": (
            review_kd,
            [
                reviewed("vectors", 24311, 3, [], (3, 2), 3, ((0, 0), (1, 1))),
                reviewed("one layer of maps", 24321, 2, [4, 3], (2, 3), 2, ((0, 0),)),
                reviewed(
                    "three layers of maps of halved sizes",
                    24331,
                    2,
                    [[[6, 6], [3, 3], [2, 1]], [[6, 6], [3, 3], [2, 1]]],
                    (2, 2),
                    2,
                    ((0, 0), (1, 1), (2, 2)),
                ),
                reviewed(
                    "maps of other sizes than the teacher's",
                    24341,
                    2,
                    [[[6, 4], [3, 2]], [[3, 5], [4, 4]]],
                    (2, 3),
                    1,
                    ((0, 0), (1, 1)),
                ),
                reviewed(
                    "tokens, padding", 24351, 4, [9], (2, 2), 2, ((0, 0), (1, 1)), LONG
                ),
                reviewed(
                    "maps, then a vector",
                    24361,
                    2,
                    [[[4, 4], []], [[4, 4], []]],
                    (2, 3),
                    2,
                    ((0, 0), (1, 1)),
                ),
            ],
        ),
        "simKd": (
            sim_kd,
            [
                embedded("equal widths", 26311, 4, (5, 5), MLP),
                embedded("one row", 26321, 1, (16, 16), MLP),
                embedded("two layers", 26331, 3, (3, 6), MLP),
                embedded("matrix", 26341, 5, (6, 2), LINEAR),
                embedded("1x1 convolution", 26351, 3, (2, 4), CONVOLUTION),
                embedded("activation", 26361, 3, (4, 3), LINEAR_RELU),
            ],
        ),
    }
)
