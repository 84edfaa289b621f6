"""Writes what PyTorch and transformers compute for a tiny BERT, in float64.

Run from this folder: python encoder_golden.py
"""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

FILE = Path(__file__).parent / "../resources/io/distill/model/encoder-golden.json"
IDS = [[2, 10, 31, 49, 3], [2, 7, 3, 0, 0]]
MASK = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
GRADIENTS = [
    "embeddings.LayerNorm.weight",
    "encoder.layer.0.attention.self.query.weight",
    "encoder.layer.0.attention.output.LayerNorm.bias",
    "encoder.layer.1.intermediate.dense.bias",
]


def rounded(tensor):
    return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]


def main():
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    config = BertConfig(
        vocab_size=50,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=16,
        type_vocab_size=2,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=1e-12,
    )
    model = BertModel(config, add_pooling_layer=False).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            base = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            # three decimals: exact in float32 to the same rounding on both sides, and short
            parameter.copy_((base + 0.3 * torch.randn_like(parameter)).mul(1000).round().div(1000))

    projections = {}
    for i, layer in enumerate(model.encoder.layer):
        for part in ("query", "key", "value"):
            getattr(layer.attention.self, part).register_forward_hook(
                lambda module, inputs, output, key=(i, part): projections.update({key: output})
            )
    ids, mask = torch.tensor(IDS), torch.tensor(MASK)
    output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)

    def heads(tensor):
        return tensor.view(*tensor.shape[:2], 3, 4).transpose(1, 2)

    scores = [
        heads(projections[i, "query"]) @ heads(projections[i, "key"]).transpose(-1, -2) / 2
        for i in range(2)
    ]
    last = output.last_hidden_state
    weights = mask.unsqueeze(-1).double()
    mean = (last * weights).sum(1) / weights.sum(1)
    embedding = torch.nn.functional.normalize(mean, dim=-1)
    coefficients = torch.arange(24, dtype=torch.float64).reshape(2, 12) / 10 - 1
    (embedding * coefficients).sum().backward()
    named = dict(model.named_parameters())
    golden = {
        "ids": IDS,
        "mask": MASK,
        "weights": {
            name: {"shape": list(p.shape), "values": [round(v, 3) for v in p.flatten().tolist()]}
            for name, p in named.items()
        },
        "hiddenStates": [rounded(state) for state in output.hidden_states[1:]],
        "attentionScores": [rounded(score) for score in scores],
        "queries": [rounded(heads(projections[i, "query"])) for i in range(2)],
        "keys": [rounded(heads(projections[i, "key"])) for i in range(2)],
        "values": [rounded(heads(projections[i, "value"])) for i in range(2)],
        "mean": rounded(mean),
        "embedding": rounded(embedding),
        "first": rounded(last[:, 0]),
        "gradients": {name: rounded(named[name].grad) for name in GRADIENTS},
    }
    FILE.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
