"""Writes tiny TorchScript files as PyTorch users write them.

Run from this folder: python torchscript_models.py
"""

import io
import zipfile
from pathlib import Path
from typing import Dict, List, Tuple

import torch

RESOURCES = Path(__file__).parent / "../resources/io/distill/model"


class TupleModel(torch.nn.Module):
    """Returns (logits, hidden states); hidden states are [N, 2, 5]."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(2, 5)
        self.second = torch.nn.Linear(5, 5)
        self.head = torch.nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, List[torch.Tensor]]:
        first = torch.tanh(self.first(x.reshape(-1, 2, 2)))
        second = torch.tanh(self.second(first))
        return self.head(second.mean(1)) * 2, [first, second]


class DictionaryModel(torch.nn.Module):
    """Returns a dictionary; has a batch norm, whose buffers are no parameters, and a frozen weight."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 6)
        self.norm = torch.nn.BatchNorm1d(6)
        self.second = torch.nn.Linear(6, 5)
        self.head = torch.nn.Linear(5, 3)
        self.scale = torch.nn.Parameter(torch.full((3,), 2.0), requires_grad=False)

    def forward(self, x: torch.Tensor) -> Dict[str, torch.Tensor]:
        first = torch.tanh(self.norm(self.first(x)))
        second = torch.tanh(self.second(first))
        return {
            "hidden_states.1": second,
            "hidden_states.0": first,
            "embedding": second,
            "logits": self.head(second) * self.scale,
        }


def save(script, path):
    """Saves without debug records, which hold the paths of the machine, and with fixed times."""
    buffer = io.BytesIO()
    torch.jit.save(script, buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry))


def main():
    torch.manual_seed(1)
    for name, model in (("tuple", TupleModel()), ("dictionary", DictionaryModel())):
        script = torch.jit.script(model.eval())
        path = RESOURCES / f"torch-{name}.pt"
        save(script, path)
        output = torch.jit.load(str(path))(torch.ones(1, 4))
        print(path.name, path.stat().st_size, output)


if __name__ == "__main__":
    main()
