"""Writes tiny checkpoints with random weights and what transformers computes with them.

Run from this folder:

    python language_model_golden.py            # all cases
    python language_model_golden.py llama3     # some

It needs PyTorch, transformers and safetensors; golden.json of each case names the versions. Each case
is a folder as `save_pretrained` writes it, plus

golden.json         token ids, masks, positions and greedy continuations
golden.safetensors  float32 values. Decoders: `single.logits` [1, L, V], `single.hidden_states.I`
                    [1, L, D] (the last one after the final norm), `batch.logits` [T, V], the T unmasked
                    positions of the batch row by row. Encoders: `batch.hidden_states.I` [T, D] and
                    `batch.pooled` [N, D], or, with a head, `batch.logits` [T, V] or [N, C]

The batch is left padded for decoders and right padded for encoders. All values are those of the
stored weights as float32, with eager attention. Weights come from a seed that is raised until
continuations vary and no choice of a token is close.

`phi3` with `longrope` is not among the cases.

The rotation of `dynamic` scaling depends on the longest row seen. `greedy` is what `generate`
gives with its cache, whose keys stay as they were rotated; `greedy_without_cache` rotates all keys
again in each step.
"""

import json
import shutil
import sys
from pathlib import Path

import safetensors
import torch
import transformers
from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    GenerationConfig,
)

FOLDER = Path(__file__).parent / "../resources/io/distill/huggingface/golden"
VOCABULARY, HIDDEN, LAYERS, HEADS, GROUPS, INTERMEDIATE = 96, 32, 2, 4, 2, 48
LENGTHS, SINGLE, NEW = [19, 7, 13], 24, 24
LLAMA = {
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": GROUPS,
    "intermediate_size": INTERMEDIATE,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}


def like_llama(**changes):
    return LLAMA | changes


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
DECODERS = {
    "llama": like_llama(),
    "llama_tied": like_llama(tie_word_embeddings=True),
    "llama_linear": like_llama(
        rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}
    ),
    "llama_dynamic": like_llama(
        max_position_embeddings=16,
        rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
    ),
    "llama3": like_llama(rope_parameters=LLAMA3),
    "llama_bias": like_llama(attention_bias=True, mlp_bias=True),
    "llama_head_dim": like_llama(head_dim=12),
    "mistral": like_llama(model_type="mistral", sliding_window=8),
    "qwen2": like_llama(model_type="qwen2", tie_word_embeddings=True),
    "qwen2_sliding": like_llama(
        model_type="qwen2",
        num_hidden_layers=3,
        use_sliding_window=True,
        sliding_window=6,
        max_window_layers=1,
    ),
    "qwen3": like_llama(model_type="qwen3", head_dim=16),
    "granite": like_llama(
        model_type="granite",
        embedding_multiplier=3.0,
        attention_multiplier=0.2,
        residual_multiplier=0.6,
        logits_scaling=0.7,
        tie_word_embeddings=True,
    ),
    "gpt2": {
        "model_type": "gpt2",
        "vocab_size": VOCABULARY,
        "n_embd": HIDDEN,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "n_inner": INTERMEDIATE,
        "n_positions": 64,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    },
    "phi3": like_llama(model_type="phi3"),
    "phi3_partial": like_llama(
        model_type="phi3",
        sliding_window=8,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5,
        },
    ),
    "llama_float16": like_llama(dtype="float16"),
    "llama_bfloat16": like_llama(dtype="bfloat16"),
}
SMALL = {"vocab_size": 64, "max_position_embeddings": 32, "pad_token_id": 0}
BERT = SMALL | {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
ENCODERS = {
    "bert": BERT,
    "roberta": BERT
    | {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1,
       "layer_norm_eps": 1e-5},
    "distilbert": SMALL | {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
}
HEADS_OF_ENCODERS = {
    "": AutoModel,
    "_masked": AutoModelForMaskedLM,
    "_classifier": AutoModelForSequenceClassification,
}
LABELS = ["negative", "neutral", "positive"]
# config.json as transformers 4 and the published checkpoints have it, kept next to the new one
OLD_CONFIGS = {
    "llama3": {
        "rope_theta": 500.0,
        "rope_scaling": {k: v for k, v in LLAMA3.items() if k != "rope_theta"},
    },
    "llama_linear": {
        "rope_theta": 10000.0,
        "rope_scaling": {"type": "linear", "factor": 2.5},
    },
    "phi3_partial": {
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "partial_rotary_factor": 0.5,
    },
    "qwen2": {"rope_theta": 10000.0},
}


def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                norm = name.endswith("weight")
                parameter.copy_((1.0 if norm else 0.0) + 0.3 * noise)
            else:
                parameter.copy_((0.5 if "embed" in name or "wte" in name else 0.3) * noise)


def random_ids(seed, vocabulary, lengths):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, vocabulary, (n,), generator=generator) for n in lengths]


def padded(rows, side, padding=0):
    length = max(map(len, rows))
    ids = torch.full((len(rows), length), padding)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        place = slice(length - len(row), length) if side == "left" else slice(0, len(row))
        ids[i, place] = row
        mask[i, place] = 1
    return ids, mask


def load(auto, folder):
    # a fresh model for each computation: dynamic scaling remembers the longest row
    model = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def greedy(folder, ids, mask, cache=True):
    settings = GenerationConfig(
        max_new_tokens=NEW,
        do_sample=False,
        use_cache=cache,
        eos_token_id=None,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
    )
    model = load(AutoModelForCausalLM, folder)
    model.generation_config = settings
    result = model.generate(input_ids=ids, attention_mask=mask)
    tokens = result.sequences[:, ids.shape[1] :]
    logits = torch.stack(result.logits, 1).float()
    top = logits.topk(2, -1).values
    margin = (top[..., 0] - top[..., 1]).min().item()
    chosen = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    return tokens, chosen, margin


def write(folder, golden, tensors, auto):
    golden = {
        "versions": {
            "torch": torch.__version__.split("+")[0],
            "transformers": transformers.__version__,
            "safetensors": safetensors.__version__,
        },
        "class": auto.__name__,
    } | golden
    (folder / "golden.json").write_text(compact(golden) + "\n")
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "golden.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)


def compact(value, indent=0):
    """JSON with one line for each innermost list."""
    if isinstance(value, dict):
        pad = " " * (indent + 1)
        inner = [f"{pad}{json.dumps(k)}: {compact(v, indent + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], list):
        inner = [" " * (indent + 1) + compact(v, indent + 1) for v in value]
        return "[\n" + ",\n".join(inner) + "\n" + " " * indent + "]"
    return json.dumps(value)


def fresh(name):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@torch.no_grad()
def decoder(name, settings, seed):
    settings = dict(settings)
    model_type, dtype = settings.pop("model_type"), settings.pop("dtype", "float32")
    config = AutoConfig.for_model(model_type, **settings)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float()
    randomize(model, seed)
    folder = fresh(name)
    model.to(getattr(torch, dtype)).save_pretrained(folder)

    first, *rows = random_ids(seed, VOCABULARY, [SINGLE, *LENGTHS])
    ids = first[None]
    batch, mask = padded(rows, "left")
    positions = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0)
    ones = torch.ones_like(ids)
    output = load(AutoModelForCausalLM, folder)(
        input_ids=ids, attention_mask=ones, output_hidden_states=True
    )
    batch_output = load(AutoModelForCausalLM, folder)(
        input_ids=batch, attention_mask=mask, position_ids=positions
    )
    tokens, chosen, margin = greedy(folder, ids, ones)
    batch_tokens, _, batch_margin = greedy(folder, batch, mask)
    margins = [margin, batch_margin]
    single = {
        "input_ids": ids[0].tolist(),
        "greedy": tokens[0].tolist(),
        "greedy_log_probabilities": [float(f"{x:.9g}") for x in chosen[0].tolist()],
    }
    several = {
        "input_ids": batch.tolist(),
        "attention_mask": mask.tolist(),
        "position_ids": positions.tolist(),
        "greedy": batch_tokens.tolist(),
    }
    if name == "llama_dynamic":
        tokens, chosen, margin = greedy(folder, ids, ones, cache=False)
        single["greedy_without_cache"] = tokens[0].tolist()
        single["greedy_without_cache_log_probabilities"] = [
            float(f"{x:.9g}") for x in chosen[0].tolist()
        ]
        batch_tokens, _, batch_margin = greedy(folder, batch, mask, cache=False)
        several["greedy_without_cache"] = batch_tokens.tolist()
        margins += [margin, batch_margin]
    distinct = min(len(set(row)) for row in [single["greedy"], *several["greedy"]])
    if min(margins) < 2e-3 or distinct < 6:
        return False

    tensors = {"single.logits": output.logits, "batch.logits": batch_output.logits[mask == 1]}
    for i, state in enumerate(output.hidden_states):
        tensors[f"single.hidden_states.{i}"] = state
    write(folder, {"seed": seed, "single": single, "batch": several}, tensors, AutoModelForCausalLM)
    if name in OLD_CONFIGS:
        old_config(folder, OLD_CONFIGS[name])
    if name == "llama":
        shards = fresh("llama_sharded")
        model.save_pretrained(shards, max_shard_size="30KB")
        assert len(list(shards.glob("model-*.safetensors"))) >= 3
    print(f"{name}: seed {seed}, margin {min(margins):.4f}, {distinct} distinct tokens")
    return True


@torch.no_grad()
def encoder(family, suffix):
    auto, head = HEADS_OF_ENCODERS[suffix], {}
    if suffix == "_classifier":
        head = {"id2label": dict(enumerate(LABELS)), "label2id": {k: i for i, k in enumerate(LABELS)}}
    config = AutoConfig.for_model(family, **ENCODERS[family], **head)
    model = auto.from_config(config)
    randomize(model, 7)
    folder = fresh(family + suffix)
    model.save_pretrained(folder)

    rows = random_ids(7, config.vocab_size, [12, 5, 9])
    batch, mask = padded(rows, "right", config.pad_token_id)
    output = load(auto, folder)(input_ids=batch, attention_mask=mask, output_hidden_states=True)
    if suffix:
        tensors = {"batch.logits": output.logits if head else output.logits[mask == 1]}
    else:
        states = enumerate(output.hidden_states)
        tensors = {f"batch.hidden_states.{i}": x[mask == 1] for i, x in states}
        if "pooler_output" in output:
            tensors["batch.pooled"] = output.pooler_output
    golden = {"batch": {"input_ids": batch.tolist(), "attention_mask": mask.tolist()}}
    write(folder, golden, tensors, auto)
    print(family + suffix)


@torch.no_grad()
def old_config(folder, old):
    config = json.loads((folder / "config.json").read_text())
    del config["rope_parameters"]
    config.pop("layer_types", None)
    config["torch_dtype"] = config.pop("dtype")
    config |= old | {"transformers_version": "4.46.0"}
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "old_config.json").write_text(text)
    # the old form must mean the same
    ids = torch.arange(3, 3 + SINGLE)[None]
    expected = load(AutoModelForCausalLM, folder)(input_ids=ids).logits
    new = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text)
    try:
        actual = load(AutoModelForCausalLM, folder)(input_ids=ids).logits
    finally:
        (folder / "config.json").write_text(new)
    assert torch.equal(actual, expected), (actual - expected).abs().max()


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    names = sys.argv[1:]
    for name, settings in DECODERS.items():
        if not names or name in names:
            next(seed for seed in range(1, 100) if decoder(name, settings, seed))
    for family in ENCODERS:
        for suffix in HEADS_OF_ENCODERS:
            if not names or family + suffix in names:
                encoder(family, suffix)


if __name__ == "__main__":
    main()
