"""Times generate of the transformers library; GenerationBenchmark runs it.

    python generation_benchmark.py CHECKPOINT THREADS PROMPT NEW_TOKENS REPETITIONS BATCH...

Prints a line for each batch size: the size and the milliseconds of each repetition.
"""

import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, threads, prompt, tokens, repetitions, *batches = sys.argv[1:]
torch.set_num_threads(int(threads))
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
ids = AutoTokenizer.from_pretrained(folder)(prompt, return_tensors="pt")
for batch in map(int, batches):
    inputs = {name: ids[name].repeat(batch, 1) for name in ("input_ids", "attention_mask")}
    times = []
    for _ in range(int(repetitions) + 2):
        start = time.perf_counter()
        with torch.inference_mode():
            model.generate(
                **inputs,
                max_new_tokens=int(tokens),
                min_new_tokens=int(tokens),
                do_sample=False,
                eos_token_id=None,
            )
        times.append(1e3 * (time.perf_counter() - start))
    print(batch, *(f"{each:.2f}" for each in times[2:]), flush=True)
