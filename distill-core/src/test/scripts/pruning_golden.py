"""Measures activation importance and prunes tiny checkpoints with PyTorch, to compare with.

Run from this folder, after language_model_golden.py has written the checkpoints:

    python pruning_golden.py

It writes ../resources/io/distill/student/pruning.json: for each case the importances on the rows of
the case's batch, each read alone, as ActivationImportance defines them; the sizes of a smaller model;
and its logits at the last two positions of the case's single row. The smaller model is cut out of the
state dict of the transformers library, by the names and layouts of that library, and run by it.
"""

import copy
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

FOLDER = Path(__file__).parent / "../resources/io/distill"
# what is kept: layers, channels, heads, key heads, neurons
CASES = {
    "llama": (2, 20, 2, 2, 32),
    "llama_bias": (1, 24, 2, 1, 40),
    "qwen2_sliding": (2, 24, 2, 2, 30),
    "qwen3": (2, 16, 2, 1, 20),
    "granite": (1, 32, 4, 2, 33),
    "gpt2": (2, 16, 2, 2, 31),
    "phi3": (2, 24, 2, 1, 24),
}


def parts(model, name):
    """The modules that are listened to: norms in order, output products, last products, layers."""
    if name == "gpt2":
        blocks = model.transformer.h
        norms = [n for b in blocks for n in (b.ln_1, b.ln_2)] + [model.transformer.ln_f]
        return norms, [b.attn.c_proj for b in blocks], [b.mlp.c_proj for b in blocks], blocks
    blocks = model.model.layers
    norms = [n for b in blocks for n in (b.input_layernorm, b.post_attention_layernorm)]
    norms.append(model.model.norm)
    return norms, [b.self_attn.o_proj for b in blocks], [b.mlp.down_proj for b in blocks], blocks


class Listener:
    def __init__(self, module, of_input):
        self.values = []
        module.register_forward_hook(self.hear_input if of_input else self.hear_output)

    def hear_input(self, module, arguments, output):
        self.values.append(arguments[0].detach()[0].double())

    def hear_output(self, module, arguments, output):
        self.values.append((output[0] if isinstance(output, tuple) else output).detach()[0].double())

    def importance(self):
        return sum(v.abs().mean(0) ** 2 for v in self.values)


@torch.no_grad()
def measure(model, name, rows):
    norms, products, lasts, blocks = parts(model, name)
    outputs = [Listener(n, False) for n in norms]
    inputs = [Listener(n, True) for n in norms]
    contexts = [Listener(p, True) for p in products]
    inner = [Listener(p, True) for p in lasts]
    before = [Listener(b, True) for b in blocks]
    after = [Listener(b, False) for b in blocks]
    for row in rows:
        model(input_ids=row[None])
    cosines = [
        torch.cat([torch.cosine_similarity(x, y, -1) for x, y in zip(b.values, a.values)])
        for b, a in zip(before, after)
    ]
    heads = model.config.num_attention_heads
    squares = []
    for listener in inputs:
        values = torch.cat(listener.values)
        if name == "gpt2":
            values = values - values.mean(-1, keepdim=True)
        squares.append((values**2).sum(0))
    return {
        "layers": torch.stack([1 - c.mean() for c in cosines]),
        "heads": torch.stack([c.importance().view(heads, -1).sum(-1).sqrt() for c in contexts]),
        "neurons": torch.stack([i.importance().sqrt() for i in inner]),
        "channels": sum(o.importance().sqrt() for o in outputs),
        "squares": torch.stack(squares),
    }


def top(values, count):
    return torch.topk(values, count).indices.sort().values


def head_channels(heads, width):
    return torch.cat([torch.arange(h * width, (h + 1) * width) for h in heads.tolist()])


def pruned(model, name, measured, sizes, tokens):
    layers, hidden, heads, key_heads, inner = sizes
    config, state = model.config, model.state_dict()
    all_keys = getattr(config, "num_key_value_heads", config.num_attention_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    group = config.num_attention_heads // all_keys
    kept_layers = top(measured["layers"], layers).tolist()
    channels = top(measured["channels"], hidden)
    last = 2 * len(measured["layers"])
    epsilon = config.layer_norm_epsilon if name == "gpt2" else config.rms_norm_eps

    def scaled(tensor, norm):
        squares = measured["squares"][norm] / tokens
        ratio = (squares[channels].mean() + epsilon) / (squares.mean() + epsilon)
        return (tensor.double()[channels] * ratio.sqrt()).float()

    small = copy.deepcopy(config)
    result = {}
    if name == "gpt2":
        small.n_layer, small.n_embd, small.n_head, small.n_inner = layers, hidden, heads, inner
        for table in ("wte", "wpe"):
            result[f"transformer.{table}.weight"] = state[f"transformer.{table}.weight"][:, channels]
        for part in ("weight", "bias"):
            result[f"transformer.ln_f.{part}"] = scaled(state[f"transformer.ln_f.{part}"], last)
    else:
        small.num_hidden_layers, small.hidden_size = layers, hidden
        small.num_attention_heads, small.num_key_value_heads = heads, key_heads
        small.intermediate_size, small.head_dim = inner, width
        if getattr(small, "layer_types", None):
            small.layer_types = [config.layer_types[i] for i in kept_layers]
        result["model.embed_tokens.weight"] = state["model.embed_tokens.weight"][:, channels]
        result["model.norm.weight"] = scaled(state["model.norm.weight"], last)
        if not config.tie_word_embeddings:
            result["lm_head.weight"] = state["lm_head.weight"][:, channels]
    for new, old in enumerate(kept_layers):
        importance = measured["heads"][old].view(all_keys, group)
        best = torch.topk(importance, heads // key_heads, -1)
        groups = top(best.values.sum(-1), key_heads)
        chosen = torch.cat([(g * group + best.indices[g].sort().values) for g in groups])
        queries, keys = head_channels(chosen, width), head_channels(groups, width)
        neurons = top(measured["neurons"][old], inner)
        for key, tensor in state.items():
            prefix = f"transformer.h.{old}." if name == "gpt2" else f"model.layers.{old}."
            if not key.startswith(prefix):
                continue
            part = key[len(prefix):]
            full = config.num_attention_heads * width
            if part.startswith(("ln_1", "input_layernorm")):
                cut = scaled(tensor, 2 * old)
            elif part.startswith(("ln_2", "post_attention_layernorm")):
                cut = scaled(tensor, 2 * old + 1)
            elif part == "attn.c_attn.weight":
                cut = tensor[channels][:, torch.cat([queries, full + keys, 2 * full + keys])]
            elif part == "attn.c_attn.bias":
                cut = tensor[torch.cat([queries, full + keys, 2 * full + keys])]
            elif part == "attn.c_proj.weight":
                cut = tensor[queries][:, channels]
            elif part == "mlp.c_fc.weight":
                cut = tensor[channels][:, neurons]
            elif part == "mlp.c_fc.bias":
                cut = tensor[neurons]
            elif part == "mlp.c_proj.weight":
                cut = tensor[neurons][:, channels]
            elif part.endswith(("c_proj.bias", "o_proj.bias", "down_proj.bias")):
                cut = tensor[channels]
            elif part == "self_attn.qkv_proj.weight":
                size = all_keys * width
                rows = torch.cat([queries, full + keys, full + size + keys])
                cut = tensor[rows][:, channels]
            elif part == "mlp.gate_up_proj.weight":
                cut = tensor[torch.cat([neurons, config.intermediate_size + neurons])][:, channels]
            elif part.startswith("self_attn.q_proj"):
                cut = tensor[queries] if tensor.dim() == 1 else tensor[queries][:, channels]
            elif part.startswith(("self_attn.k_proj", "self_attn.v_proj")):
                cut = tensor[keys] if tensor.dim() == 1 else tensor[keys][:, channels]
            elif part == "self_attn.o_proj.weight":
                cut = tensor[channels][:, queries]
            elif part.startswith(("mlp.gate_proj", "mlp.up_proj")):
                cut = tensor[neurons] if tensor.dim() == 1 else tensor[neurons][:, channels]
            elif part == "mlp.down_proj.weight":
                cut = tensor[channels][:, neurons]
            else:
                assert "q_norm" in part or "k_norm" in part, part
                cut = tensor
            result[prefix.replace(f".{old}.", f".{new}.") + part] = cut
    smaller = AutoModelForCausalLM.from_config(small, attn_implementation="eager").float().eval()
    missing, unexpected = smaller.load_state_dict(result, strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    smaller.tie_weights()
    return smaller


def rounded(tensor):
    return [
        rounded(each) if each.dim() else float(f"{each.item():.8g}") for each in tensor
    ]


def close(values, count):
    """How near the choice is, relative to the values."""
    ordered = values.sort(descending=True).values
    return 1.0 if count == len(values) else ((ordered[count - 1] - ordered[count]) / ordered[0]).item()


def main():
    torch.set_num_threads(1)
    results = {}
    for name, sizes in CASES.items():
        folder = FOLDER / "huggingface/golden" / name
        golden = json.loads((folder / "golden.json").read_text())
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        batch = golden["batch"]
        rows = [
            torch.tensor([i for i, shown in zip(ids, mask) if shown])
            for ids, mask in zip(batch["input_ids"], batch["attention_mask"])
        ]
        with torch.no_grad():
            measured = measure(model, name, rows)
            smaller = pruned(model, name, measured, sizes, sum(map(len, rows)))
            ids = torch.tensor(golden["single"]["input_ids"])[None]
            logits = smaller(input_ids=ids).logits[0, -2:]
        margins = [close(measured["channels"], sizes[1]), close(measured["layers"], sizes[0])]
        margins += [close(n, sizes[4]) for n in measured["neurons"]]
        assert min(margins) > 1e-5, (name, margins)
        results[name] = {
            "sizes": dict(zip(("layers", "hiddenSize", "heads", "keyValueHeads", "intermediateSize"), sizes)),
            **{key: rounded(value) for key, value in measured.items()},
            "logits": rounded(logits),
        }
        print(f"{name}: margin {min(margins):.2g}")
    target = FOLDER / "student/pruning.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
