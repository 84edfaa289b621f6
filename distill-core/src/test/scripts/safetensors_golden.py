"""Writes small.safetensors with the reference implementation, and reads files back with it.

Needs: pip install safetensors numpy
Without arguments it writes the golden file; with a path it prints what the reference reads there.
"""

import pathlib
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

if len(sys.argv) > 1:
    with safe_open(sys.argv[1], "np") as file:
        print(file.metadata())
        for name in file.keys():
            array = file.get_tensor(name)
            print(name, array.dtype, array.shape, array.flatten().tolist())
else:
    target = pathlib.Path(__file__).parent.parent / "resources/io/distill/huggingface"
    save_file(
        {
            "weight": np.array([[1.5, -2.25, 3e-8], [np.inf, 0.1, -0.0]], dtype=np.float32),
            "ids": np.array([1, -2, 2**40], dtype=np.int64),
            "half": np.array([0.5, -65504], dtype=np.float16),
            "flag": np.array([True, False, True]),
            "scalar": np.array(7.25, dtype=np.float64),
            "empty": np.zeros((0, 3), dtype=np.float32),
        },
        target / "small.safetensors",
        {"format": "np", "note": "ä \"quoted\""},
    )
