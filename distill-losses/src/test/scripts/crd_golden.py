"""Writes the golden values of contrastive representation distillation, in float64.

    python crd_golden.py [DIRECTORY]        default: ../resources/golden beside this script

Written with PyTorch 2.15.0 from Tian et al. 2020 and, for the constant Z that the paper does not
have, from the authors' program (RepDistiller's ContrastMemory and NCECriterion). For each case the
script refuses to write a file unless the formula equals that program, written down again below, on
the same negatives and with this Z. On purpose different:

- Z of the program is rows * mean of exp(score) over its first batch; here it is what that mean is
  expected to be over banks as they are drawn, exp(1 / (2 width temperature^2)). The script draws
  banks of 20,000 rows of 128 and checks that the program's constant is within 2 percent of it.
- Negatives of the program come from a random generator; here from the integer function below of
  seed, step and row.
- The program adds 1e-7 to denominators; here logarithms are of sigmoids and need nothing.
- Banks are stored divided by the square root of 3.
"""

import math

import torch
import torch.nn.functional as F

from golden import embedding, labels, same, spec, write

WORD = (1 << 32) - 1
LONG = (1 << 64) - 1


def scattered_long(number):
    x = (number + 0x9E3779B97F4A7C15) & LONG
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & LONG
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & LONG
    return x ^ (x >> 31)


def scattered(x):
    x = ((x >> 16) ^ x) * 0x45D9F3B & WORD
    x = ((x >> 16) ^ x) * 0x45D9F3B & WORD
    return (x >> 16) ^ x


def negatives_of(row, seed, step, rows, count):
    key = scattered_long((scattered_long(seed & LONG) + step) & LONG)
    start = scattered(row ^ (key >> 32))
    twist = scattered((row * 0x61C88647 & WORD) ^ (key & WORD))
    drawn = []
    for k in range(count):
        number = scattered((start + k * 0x61C88647) & WORD) ^ twist
        other = number * (rows - 1) >> 32
        drawn.append(other + 1 if other >= row else other)
    return drawn


def contrastive_representation(case):
    options = case.options
    rows = case.buffers["student.bank"].shape[0]
    tau = options["temperature"]
    log_z = 1 / (2 * options["width"] * tau**2)
    embed = {}
    for side, signal in (("student", case.student[0]), ("teacher", case.teacher[0])):
        x = F.linear(signal, case.parameters[f"{side}.weight"], case.parameters[f"{side}.bias"])
        embed[side] = x / x.norm(dim=1, keepdim=True)
    banks = {side: math.sqrt(3) * case.buffers[f"{side}.bank"] for side in embed}
    value = 0.0
    published = []
    size = len(case.student[0])
    for i in range(size):
        row = int(options["first"] + i * options["stride"])
        if options["negatives"] < rows - 1:
            drawn = negatives_of(
                row, int(options["seed"]), int(options["step"]), rows, int(options["negatives"])
            )
        else:
            drawn = [other for other in range(rows) if other != row]
        count = len(drawn)
        counted = drawn
        if options["otherClasses"] and case.labels[i] >= 0:
            known = case.buffers["classes"]
            counted = [other for other in drawn if known[other] != case.labels[i]]
        weight = count / max(1, len(counted))
        for anchor, bank in (("student", "teacher"), ("teacher", "student")):

            def told(other):
                # log odds of partner against noise
                score = embed[anchor][i] @ banks[bank][other] / tau
                return score - log_z - math.log(count)

            value = value - F.logsigmoid(told(row))
            for other in counted:
                value = value - weight * F.logsigmoid(-told(other))
            if len(counted) == count:
                z = math.exp(log_z) * rows
                published.append(program(embed[anchor][i], banks[bank], row, drawn, tau, z))
    value = value / size
    if len(published) == 2 * size:
        same(value, sum(published) / size, rtol=1e-10)
    return value


def program(anchor, bank, row, drawn, tau, z):
    """The authors' NCE on one anchor, without its 1e-7."""
    x = torch.exp(bank[[row, *drawn]] @ anchor / tau) / z
    noise = len(drawn) / len(bank)
    return -(torch.log(x[0] / (x[0] + noise)) + torch.log(noise / (x[1:] + noise)).sum())


def check_constant():
    """The mean that the authors' program takes from its first batch is nearly what Z is here."""
    generator = torch.Generator().manual_seed(1)
    bound = math.sqrt(3 / 128)
    bank = (torch.rand(20000, 128, generator=generator, dtype=torch.float64) * 2 - 1) * bound
    anchors = F.normalize(torch.randn(64, 128, generator=generator, dtype=torch.float64))
    scores = anchors @ bank.T / 0.07
    drawn = torch.randint(20000, (64, 16385), generator=generator)
    mean = scores.gather(1, drawn).exp().mean().item()
    expected = math.exp(1 / (2 * 128 * 0.07**2))
    print(f"first batch {mean:.4f}, expected {expected:.4f}")
    assert abs(mean / expected - 1) < 0.02


def contrasted(name, seed, size, rows, widths, more, given=None):
    """A case; widths are those of student, teacher and the common space."""
    student, teacher, width = widths
    options = {
        "negatives": 8,
        "temperature": 0.25,
        "momentum": 0.5,
        "width": width,
        "otherClasses": 0,
        "seed": 42,
        "step": 7,
        "first": 1,
        "stride": 3,
        **more,
    }
    case = {
        "name": name,
        "options": options,
        "student": [embedding(seed, 1, size, student)],
        "teacher": [embedding(seed + 1, 1, size, teacher)],
        "parameters": {
            "student.weight": spec(seed + 2, 0.5, width, student),
            "student.bias": spec(seed + 3, 0.5, width),
            "teacher.weight": spec(seed + 4, 0.5, width, teacher),
            "teacher.bias": spec(seed + 5, 0.5, width),
        },
        "buffers": {
            "student.bank": spec(seed + 6, 0.25, rows, width),
            "teacher.bank": spec(seed + 7, 0.25, rows, width),
        },
    }
    if given:
        case["labels"] = labels(given)
        classes = [float(row % 4 - 1) for row in range(rows)]
        case["buffers"]["classes"] = spec(0, 1, rows, values=classes)
    return case


check_constant()
write(
    {
        "contrastiveRepresentation": (
            contrastive_representation,
            [
                contrasted("few of many", 1201, 4, 100, (3, 5, 8), {}),
                contrasted("many of some", 1211, 3, 30, (6, 4, 8), {"negatives": 20}),
                contrasted("all others", 1221, 5, 16, (3, 5, 4), {"negatives": 16384}),
                contrasted("another step", 1201, 4, 100, (3, 5, 8), {"step": 123456}),
                contrasted("another seed", 1201, 4, 100, (3, 5, 8), {"seed": 987654321}),
                contrasted(
                    "the paper's settings",
                    1231,
                    2,
                    40,
                    (8, 12, 128),
                    {"negatives": 16, "temperature": 0.07},
                ),
                contrasted(
                    "other classes of many",
                    1241,
                    4,
                    100,
                    (3, 5, 8),
                    {"otherClasses": 1},
                    [0, 1, -1, 2],
                ),
                contrasted(
                    "other classes of all",
                    1251,
                    4,
                    16,
                    (3, 5, 8),
                    {"otherClasses": 1, "negatives": 50},
                    [0, 1, -1, 2],
                ),
            ],
        ),
    }
)
