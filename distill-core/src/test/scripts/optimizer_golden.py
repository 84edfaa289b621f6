"""Writes the golden files of the fused optimizers: what PyTorch computes in float64.

Run from distill-core:

    python3 src/test/scripts/optimizer_golden.py

It needs PyTorch and nothing else; the committed file was made with PyTorch 2.15.0. The
same parameters and gradients serve all cases. They are multiples of 1/1024, so that
float32 holds them exactly and a difference is one of the arithmetic alone.
"""

import json
import math
import pathlib
import random

import torch

STEPS = 50
CHECKPOINTS = [1, 2, 5, 10, 25, 50]
MAX_NORM = 2.0
SHAPES = {
    "dense.weight": [3, 4],
    "dense.bias": [3],
    "norm.weight": [4],
    "kernel": [2, 2, 2],
}
CASES = {
    "adamW": {"type": "adamW", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "decay": 0.1},
    "adamW without decay": {
        "type": "adamW", "lr": 0.01, "betas": [0.8, 0.95], "eps": 1e-6, "decay": 0.0},
    "sgd": {"type": "sgd", "lr": 0.01, "momentum": 0.0, "nesterov": False, "decay": 0.0},
    "sgd with decay": {
        "type": "sgd", "lr": 0.01, "momentum": 0.0, "nesterov": False, "decay": 0.1},
    "sgd with momentum": {
        "type": "sgd", "lr": 0.005, "momentum": 0.9, "nesterov": False, "decay": 0.0},
    "sgd with momentum and decay": {
        "type": "sgd", "lr": 0.005, "momentum": 0.9, "nesterov": False, "decay": 0.1},
    "sgd with nesterov": {
        "type": "sgd", "lr": 0.005, "momentum": 0.9, "nesterov": True, "decay": 0.0},
    "sgd with nesterov and decay": {
        "type": "sgd", "lr": 0.005, "momentum": 0.9, "nesterov": True, "decay": 0.1},
}


def grid(value):
    return round(value * 1024) / 1024


def numbers(count, draw):
    return [grid(draw()) for _ in range(count)]


def make_data():
    source = random.Random(20240217)
    counts = {name: math.prod(shape) for name, shape in SHAPES.items()}
    # away from 0, where a relative difference says nothing
    parameters = {
        name: numbers(count, lambda: source.choice([-1, 1]) * source.uniform(2, 3))
        for name, count in counts.items()
    }
    gradients = [
        {name: numbers(count, lambda: source.gauss(0, 0.4)) for name, count in counts.items()}
        for _ in range(STEPS)
    ]
    return parameters, gradients


def optimizer(case, parameters):
    groups = [
        {"params": [p for p in parameters.values() if p.dim() >= 2],
         "weight_decay": case["decay"]},
        {"params": [p for p in parameters.values() if p.dim() < 2], "weight_decay": 0.0},
    ]
    if case["type"] == "adamW":
        return torch.optim.AdamW(groups, lr=case["lr"], betas=case["betas"], eps=case["eps"])
    return torch.optim.SGD(
        groups, lr=case["lr"], momentum=case["momentum"], nesterov=case["nesterov"])


def run(case, max_norm, initial, gradients):
    parameters = {
        name: torch.tensor(values, dtype=torch.float64).reshape(SHAPES[name]).requires_grad_()
        for name, values in initial.items()
    }
    chosen = optimizer(case, parameters)
    checkpoints = []
    for step, gradient in enumerate(gradients):
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(gradient[name], dtype=torch.float64).reshape(SHAPES[name])
        limit = math.inf if max_norm is None else max_norm
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), limit).item()
        for group in chosen.param_groups:
            group["lr"] = case["lr"] * factor(step)
        chosen.step()
        if step + 1 in CHECKPOINTS:
            checkpoints.append({
                "step": step + 1,
                "norm": float("%.12g" % norm),
                "parameters": {
                    name: [float("%.12g" % value) for value in parameter.flatten().tolist()]
                    for name, parameter in parameters.items()
                },
            })
    return checkpoints


def factor(step):
    return 1 - step / (2 * STEPS)


def main():
    initial, gradients = make_data()
    cases = []
    for name, case in CASES.items():
        for max_norm in (None, MAX_NORM):
            cases.append({
                "name": name + ("" if max_norm is None else ", clipped"),
                **case,
                "maxNorm": max_norm,
                "checkpoints": run(case, max_norm, initial, gradients),
            })
    golden = {
        "shapes": SHAPES,
        "initial": initial,
        "learningRateFactors": [factor(step) for step in range(STEPS)],
        "gradients": gradients,
        "cases": cases,
    }
    target = pathlib.Path(__file__).parents[1] / "resources" / "golden" / "optimizers.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(golden, separators=(",", ":")).replace("},", "},\n") + "\n")
    clipped = sum(
        math.sqrt(sum(g * g for values in step.values() for g in values)) > MAX_NORM
        for step in gradients)
    print("wrote", target, "; steps that are clipped:", clipped)


if __name__ == "__main__":
    main()
