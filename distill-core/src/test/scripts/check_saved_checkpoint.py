"""Loads folders with transformers and compares them with a golden file.

Run from this folder, with pairs of a checkpoint folder and the folder of its golden values:

    python check_saved_checkpoint.py SAVED=../resources/io/distill/huggingface/golden/llama ...

A folder alone is only loaded. It fails on missing, unexpected and mismatched weights and on
logits and hidden states that differ. See language_model_golden.py.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

KEYS = ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")


def automatic(folder, golden):
    if golden:
        return getattr(transformers, golden["class"])
    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    return getattr(transformers, name)


@torch.no_grad()
def outputs(fresh_model, golden):
    results = {}
    for name in {"single", "batch"} & golden.keys():
        case = golden[name]
        ids = torch.tensor(case["input_ids"])
        ids = ids[None] if ids.dim() == 1 else ids
        mask = torch.tensor(case["attention_mask"]) if "attention_mask" in case else torch.ones_like(ids)
        extra = {"position_ids": torch.tensor(case["position_ids"])} if "position_ids" in case else {}
        # dynamic rotation remembers the longest row
        output = fresh_model()(input_ids=ids, attention_mask=mask, output_hidden_states=True, **extra)

        def kept(x):
            return x[mask == 1] if name == "batch" and x.shape[:2] == ids.shape else x

        for i, state in enumerate(output.hidden_states):
            results[f"{name}.hidden_states.{i}"] = kept(state)
        if "logits" in output:
            results[f"{name}.logits"] = kept(output.logits)
        if "pooler_output" in output:
            results[f"{name}.pooled"] = output.pooler_output
    return results


def check(folder, golden_folder, tolerance):
    golden = json.loads((golden_folder / "golden.json").read_text()) if golden_folder else {}
    def fresh_model(**extra):
        return automatic(folder, golden).from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", **extra
        )

    model, info = fresh_model(output_loading_info=True, ignore_mismatched_sizes=True)
    faults = [f"{key}: {sorted(map(str, info[key]))}" for key in KEYS if info.get(key)]
    worst = 0.0
    if golden_folder and not faults:
        expected = load_file(golden_folder / "golden.safetensors")
        actual = outputs(fresh_model, golden)
        for name, value in expected.items():
            if name not in actual or actual[name].shape != value.shape:
                faults.append(f"{name}: not given in shape {tuple(value.shape)}")
                continue
            difference = (actual[name] - value).abs().max().item()
            worst = max(worst, difference)
            if not difference <= tolerance:
                faults.append(f"{name}: differs by {difference:.3g}")
    state = f"largest difference {worst:.3g}" if golden_folder else "loaded"
    print(f"{'FAILED' if faults else 'ok'}  {folder}  {type(model).__name__}, {state}")
    for fault in faults:
        print(f"        {fault}")
    return not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", metavar="SAVED[=GOLDEN]")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    good = True
    for pair in arguments.folders:
        folder, _, golden = pair.partition("=")
        good &= check(Path(folder), Path(golden) if golden else None, arguments.tolerance)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
