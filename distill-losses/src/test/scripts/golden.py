"""Draws inputs and writes golden values: what the scripts beside this one share.

Inputs are not stored. Python and Java draw them from the same generator on 32-bit integers:

    state = seed * 2654435761 mod 2^32
    repeat: state = state * 1664525 + 1013904223 mod 2^32
            value = ((state >> 8) - 2^23) / 2^23 * scale       scale is a power of two

so that every input is a float32 exactly. Gradients of more than 64 elements are stored as every
37th element, the L2 norm and the largest absolute value of all. All arithmetic is float64.
"""

import json
import math
import pathlib
import sys

import torch

MASK = (1 << 32) - 1
FULL = 64
STRIDE = 37


def spec(seed, scale, *shape, kind=None, values=None, shared=False):
    """Describes an array; kind is a SignalKind; shared arrays have no rows (a weight)."""
    made = {"seed": seed, "scale": scale, "shape": list(shape)}
    if kind:
        made["kind"] = kind
    if values is not None:
        made["values"] = values
    if shared:
        made["shared"] = True
    return made


def logits(seed, scale, *shape):
    return spec(seed, scale, *shape, kind="LOGITS")


def embedding(seed, scale, *shape):
    return spec(seed, scale, *shape, kind="EMBEDDING")


def hidden(seed, scale, *shape):
    return spec(seed, scale, *shape, kind="HIDDEN_STATES")


def labels(values, *shape):
    return {"shape": list(shape) or [len(values)], "values": values}


def mask(rows):
    flat = [float(x) for row in rows for x in row]
    return spec(0, 1, len(rows), len(rows[0]), values=flat)


def draw(described):
    if "values" in described:
        flat = described["values"]
    else:
        flat = []
        state = described["seed"] * 2654435761 & MASK
        for _ in range(math.prod(described["shape"])):
            state = (state * 1664525 + 1013904223) & MASK
            flat.append(((state >> 8) - (1 << 23)) / (1 << 23) * described["scale"])
    return torch.tensor(flat, dtype=torch.float64).reshape(described["shape"])


class Case:
    """The drawn arrays of a case: student, teacher (lists), labels, mask, parameters, buffers."""

    def __init__(self, described):
        self.described = described
        self.student = [draw(s).requires_grad_() for s in described["student"]]
        self.teacher = [draw(s) for s in described.get("teacher", [])]
        self.parameters = {
            k: draw(s).requires_grad_() for k, s in described.get("parameters", {}).items()
        }
        self.buffers = {k: draw(s) for k, s in described.get("buffers", {}).items()}
        self.mask = draw(described["mask"]) if "mask" in described else None
        self.teacher_mask = draw(described["teacherMask"]) if "teacherMask" in described else None
        self.temperature = described.get("temperature", 1)
        self.options = described.get("options", {})
        self.pairs = described.get("pairs", [])
        self.labels = None
        if "labels" in described:
            given = described["labels"]
            self.labels = torch.tensor(given["values"], dtype=torch.long).reshape(given["shape"])


def gradient(tensor):
    grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
    flat = grad.flatten()
    stride = 1 if flat.numel() <= FULL else STRIDE
    return {
        "stride": stride,
        "norm": flat.norm().item(),
        "largest": flat.abs().max().item(),
        "values": flat[::stride].tolist(),
    }


def same(ours, published, rtol=1e-12, atol=1e-14):
    """Refuses to go on unless a formula equals a published implementation."""
    torch.testing.assert_close(ours, published, rtol=rtol, atol=atol)


def write(golden):
    """Writes {file: (formula, [described case])}; formula is a function of a Case to a scalar."""
    default = pathlib.Path(__file__).resolve().parent.parent / "resources" / "golden"
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    directory.mkdir(parents=True, exist_ok=True)
    for name, (formula, cases) in golden.items():
        lines = []
        for described in cases:
            case = Case(described)
            value = formula(case)
            value.backward()
            described["value"] = value.item()
            described["gradients"] = [gradient(s) for s in case.student]
            described["parameterGradients"] = {k: gradient(p) for k, p in case.parameters.items()}
            lines.append(json.dumps(described))
        text = "[\n" + ",\n".join(lines) + "\n]\n"
        (directory / f"{name}.json").write_text(text, encoding="utf-8")
