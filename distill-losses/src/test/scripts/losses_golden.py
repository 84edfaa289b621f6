"""Writes the golden values of the starter losses: value and gradients in float64.

    python losses_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0; another version may differ in the last digits of float64. Each loss is
written out from its paper's formula, and the script refuses to write a file unless the formula
equals the published implementation named here:

softTargets     Hinton et al. 2015: T^2 * mean_rows KL(p || q). Equals
                F.kl_div(log_softmax(student / T), softmax(teacher / T), reduction="batchmean")
                * T**2. (reduction="mean" would divide by the classes as well.)
hardLabels      cross-entropy over labelled rows. Equals F.cross_entropy(..., ignore_index=-1), but
                is 0 and not NaN where no row has a label.
hiddenStateMse  TinyBERT 2020: mean over pairs, real tokens and width of (W student - teacher)^2.
                With one pair and no padding equals F.mse_loss. Projectors are applied as F.linear.
embeddingCosine 1 - cosine. Equals 1 - F.cosine_similarity(W student, teacher).mean().

Inputs are not stored. Both sides draw them from the same generator on 32-bit integers:

    state = seed * 2654435761 mod 2^32
    repeat: state = state * 1664525 + 1013904223 mod 2^32
            value = ((state >> 8) - 2^23) / 2^23 * scale       scale is a power of two

so that every input is a float32 exactly. Gradients of more than 64 elements are stored as every
37th element and the L2 norm of all.
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F

MASK = (1 << 32) - 1
FULL = 64
STRIDE = 37


def draw(spec):
    state = spec["seed"] * 2654435761 & MASK
    count = 1
    for size in spec["shape"]:
        count *= size
    values = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & MASK
        values.append(((state >> 8) - (1 << 23)) / (1 << 23) * spec["scale"])
    return torch.tensor(values, dtype=torch.float64).reshape(spec["shape"]).requires_grad_()


def spec(seed, scale, *shape):
    return {"seed": seed, "scale": scale, "shape": list(shape)}


def gradient(tensor):
    grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
    flat = grad.flatten()
    stride = 1 if flat.numel() <= FULL else STRIDE
    return {"stride": stride, "norm": flat.norm().item(), "values": flat[::stride].tolist()}


def same(ours, published):
    torch.testing.assert_close(ours, published, rtol=1e-12, atol=1e-14)


def soft_targets(case, student, teacher, parameters):
    temperature = case["temperature"]
    q = (student[0] / temperature).exp() / (student[0] / temperature).exp().sum(1, keepdim=True)
    p = (teacher[0] / temperature).exp() / (teacher[0] / temperature).exp().sum(1, keepdim=True)
    value = temperature**2 * (p * (p.log() - q.log())).sum(1).mean()
    log_q = F.log_softmax(student[0] / temperature, 1)
    target = F.softmax(teacher[0] / temperature, 1)
    same(value, F.kl_div(log_q, target, reduction="batchmean") * temperature**2)
    return value


def hard_labels(case, student, teacher, parameters):
    rows = [(row, label) for row, label in enumerate(case["labels"]) if label >= 0]
    z = student[0]
    value = (z * 0).sum()
    for row, label in rows:
        value = value - (z[row, label] - z[row].exp().sum().log()) / len(rows)
    if rows:
        same(value, F.cross_entropy(z, torch.tensor(case["labels"]), ignore_index=-1))
    return value


def hidden_state_mse(case, student, teacher, parameters):
    total = 0.0
    pairs = case["pairs"]
    for s, t in pairs:
        hidden = student[s]
        weight = parameters.get(f"projector.{s}.{t}")
        if weight is not None:
            hidden = torch.einsum("...i,oi->...o", hidden, weight)
            same(hidden, F.linear(student[s], weight))
        squares = ((hidden - teacher[t]) ** 2).mean(-1)
        if case.get("mask"):
            mask = torch.tensor(case["mask"], dtype=torch.float64)
            mean = (squares * mask).sum() / mask.sum().clamp(min=1)
            if mask.all():
                same(mean, F.mse_loss(hidden, teacher[t]))
        else:
            mean = squares.mean()
            same(mean, F.mse_loss(hidden, teacher[t]))
        total = total + mean / len(pairs)
    return total


def embedding_cosine(case, student, teacher, parameters):
    s, t = student[0], teacher[0]
    if "projector" in parameters:
        s = s @ parameters["projector"].T
    cosine = (s * t).sum(1) / ((s * s).sum(1).sqrt() * (t * t).sum(1).sqrt())
    value = (1 - cosine).mean()
    same(value, 1 - F.cosine_similarity(s, t).mean())
    return value


def soft_case(name, seed, temperature, scale, rows, classes):
    return {
        "name": name,
        "temperature": temperature,
        "student": [spec(seed, scale, rows, classes)],
        "teacher": [spec(seed + 1, scale, rows, classes)],
    }


def hard_case(name, seed, scale, classes, labels):
    return {"name": name, "student": [spec(seed, scale, len(labels), classes)], "labels": labels}


def hidden_case(name, seed, shape, widths, layers, pairs, mask=None):
    students, teachers = layers
    narrow, wide = widths
    case = {
        "name": name,
        "student": [spec(seed + i, 2, *shape, narrow) for i in range(students)],
        "teacher": [spec(seed + 50 + i, 2, *shape, wide) for i in range(teachers)],
        "pairs": pairs,
    }
    if mask:
        case["mask"] = mask
    if narrow != wide:
        case["parameters"] = {
            f"projector.{s}.{t}": spec(seed + 90 + s, 0.5, wide, narrow) for s, t in pairs
        }
    return case


def cosine_case(name, seed, scales, rows, widths):
    case = {
        "name": name,
        "student": [spec(seed, scales[0], rows, widths[0])],
        "teacher": [spec(seed + 1, scales[1], rows, widths[1])],
    }
    if widths[0] != widths[1]:
        case["parameters"] = {"projector": spec(seed + 2, 0.5, widths[1], widths[0])}
    return case


GOLDEN = {
    "softTargets": (
        soft_targets,
        [
            soft_case("T=1, 2 classes", 11, 1, 4, 4, 2),
            soft_case("T=0.5, 10 classes", 21, 0.5, 2, 4, 10),
            soft_case("T=1, 10 classes", 31, 1, 4, 3, 10),
            soft_case("T=2, 10 classes", 41, 2, 8, 5, 10),
            soft_case("T=4, 10 classes", 51, 4, 8, 1, 10),
            soft_case("T=20, 10 classes", 61, 20, 16, 6, 10),
            soft_case("T=20, 2 classes", 71, 20, 16, 2, 2),
            soft_case("T=1, 1000 classes", 81, 1, 8, 2, 1000),
            soft_case("T=4, 1000 classes", 91, 4, 16, 3, 1000),
            soft_case("T=20, 1000 classes", 101, 20, 32, 2, 1000),
        ],
    ),
    "hardLabels": (
        hard_labels,
        [
            hard_case("2 classes, all labelled", 211, 4, 2, [0, 1, 1]),
            hard_case("10 classes, all labelled", 221, 4, 10, [3, 9, 0, 5]),
            hard_case("10 classes, partly labelled", 231, 8, 10, [-1, 7, -1, 0, 2]),
            hard_case("10 classes, one labelled", 241, 2, 10, [-1, -1, 4]),
            hard_case("10 classes, none labelled", 251, 2, 10, [-1, -1]),
            hard_case("1000 classes, partly labelled", 261, 8, 1000, [999, -1, 0]),
        ],
    ),
    "hiddenStateMse": (
        hidden_state_mse,
        [
            hidden_case("rows without tokens", 311, [3], (4, 4), (1, 1), [[0, 0]]),
            hidden_case(
                "tokens, no padding", 321, [2, 3], (4, 4), (1, 1), [[0, 0]], [[1, 1, 1]] * 2
            ),
            hidden_case(
                "tokens, padding",
                331,
                [3, 4],
                (2, 2),
                (2, 4),
                [[0, 1], [1, 3]],
                [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]],
            ),
            hidden_case(
                "projector, padding",
                341,
                [2, 3],
                (2, 5),
                (2, 2),
                [[0, 0], [1, 1]],
                [[1, 1, 1], [1, 0, 0]],
            ),
            hidden_case("projector, rows without tokens", 351, [4], (3, 6), (2, 3), [[1, 0]]),
            hidden_case(
                "everything padded", 361, [2, 2], (3, 3), (1, 1), [[0, 0]], [[0, 0], [0, 0]]
            ),
        ],
    ),
    "embeddingCosine": (
        embedding_cosine,
        [
            cosine_case("width 2", 411, (1, 1), 4, (2, 2)),
            cosine_case("width 8", 421, (1, 1), 5, (8, 8)),
            cosine_case("unequal lengths", 431, (64, 0.0625), 3, (8, 8)),
            cosine_case("one row", 441, (2, 2), 1, (16, 16)),
            cosine_case("projector", 451, (1, 1), 4, (4, 6)),
            cosine_case("projector to fewer", 461, (2, 4), 3, (6, 2)),
        ],
    ),
}


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "resources" / "golden"
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    directory.mkdir(parents=True, exist_ok=True)
    for name, (formula, cases) in GOLDEN.items():
        lines = []
        for case in cases:
            student = [draw(s) for s in case["student"]]
            teacher = [draw(s).detach() for s in case.get("teacher", [])]
            parameters = {k: draw(s) for k, s in case.get("parameters", {}).items()}
            value = formula(case, student, teacher, parameters)
            value.backward()
            case["value"] = value.item()
            case["gradients"] = [gradient(s) for s in student]
            case["parameterGradients"] = {k: gradient(p) for k, p in parameters.items()}
            lines.append(json.dumps(case))
        text = "[\n" + ",\n".join(lines) + "\n]\n"
        (directory / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
