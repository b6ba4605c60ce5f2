"""Writes a workload: a checkpoint, adapters, and what each row of a batch is asked, as `workload.json`.

    python make_workload.py 111m data/111m          random Llama shape, a tree of 1 + 4 + 16 adapters of rank 8
    python make_workload.py tiny data/tiny          the same tree on a toy, for trying a script out
    python make_workload.py storyteller data/storyteller    the demo checkpoint and its tree, as trained

Every peer reads this file, and so can the service's own benchmark; README.md says what is in it.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

STORYTELLER = Path(__file__).resolve().parents[2] / "examples/storyteller"

SHAPES = {
    "111m": dict(hidden=576, intermediate=1536, layers=30, heads=9, kv_heads=3, head_dim=64, vocab=8192),
    "tiny": dict(hidden=64, intermediate=128, layers=2, heads=4, kv_heads=2, head_dim=16, vocab=512),
}


def random_checkpoint(folder, shape, generator):
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape["hidden"],
        "intermediate_size": shape["intermediate"],
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["kv_heads"],
        "head_dim": shape["head_dim"],
        "vocab_size": shape["vocab"],
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tensors = {
        "model.embed_tokens.weight": 0.02 * torch.randn(shape["vocab"], shape["hidden"], generator=generator),
        "model.norm.weight": torch.ones(shape["hidden"]),
    }
    for name, (out_features, in_features) in linears(shape):
        tensors[f"{name}.weight"] = torch.randn(out_features, in_features, generator=generator) / in_features**0.5
    for layer in range(shape["layers"]):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{norm}.weight"] = torch.ones(shape["hidden"])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def linears(shape):
    """(module, [out, in]) of every linear but lm_head."""
    hidden, q, kv = shape["hidden"], shape["heads"] * shape["head_dim"], shape["kv_heads"] * shape["head_dim"]
    for layer in range(shape["layers"]):
        attention, mlp = f"model.layers.{layer}.self_attn", f"model.layers.{layer}.mlp"
        yield f"{attention}.q_proj", (q, hidden)
        yield f"{attention}.k_proj", (kv, hidden)
        yield f"{attention}.v_proj", (kv, hidden)
        yield f"{attention}.o_proj", (hidden, q)
        yield f"{mlp}.gate_proj", (shape["intermediate"], hidden)
        yield f"{mlp}.up_proj", (shape["intermediate"], hidden)
        yield f"{mlp}.down_proj", (hidden, shape["intermediate"])


def random_adapter(folder, shape, rank, generator):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, (out_features, in_features) in linears(shape):
        tensors[f"base_model.model.{name}.lora_A.weight"] = 0.02 * torch.randn(rank, in_features, generator=generator)
        tensors[f"base_model.model.{name}.lora_B.weight"] = 0.02 * torch.randn(out_features, rank, generator=generator)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "target_modules": "all-linear",
        "base_model_name_or_path": None,
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
    return str(folder)


def random_workload(name, folder, args):
    shape, generator = SHAPES[name], torch.Generator().manual_seed(0)
    random_checkpoint(folder / "checkpoint", shape, generator)

    def add(path):
        return random_adapter(folder / "adapters" / path, shape, args.rank, generator)

    trunk = add("trunk")
    branches = [add(f"branch-{i}") for i in range(4)]
    rows = []
    for i in range(args.rows):
        prompt = torch.randint(1, shape["vocab"], (args.prompt,), generator=generator).tolist()
        rows.append({"prompt": prompt, "adapters": [trunk, branches[i % 4], add(f"leaf-{i}")]})
    return folder / "checkpoint", rows


def storyteller_workload(args):
    """Rows of all nodes in turn, each with the beginning of a held-out text of its own."""
    tree = json.loads((STORYTELLER / "tree.json").read_text())
    folders = {node["path"]: str(STORYTELLER / node["folder"]) for node in tree["nodes"]}
    tokenizer = Tokenizer.from_file(str(STORYTELLER / tree["model"]["folder"] / "tokenizer.json"))
    rows = []
    for i in range(args.rows):
        path = list(folders)[i % len(folders)]
        segments = path.split("/")
        prefixes = ["/".join(segments[:end]) for end in range(2, len(segments) + 1)]
        text = (STORYTELLER / "heldout" / f"{segments[-1]}.txt").read_text()
        prompt = tokenizer.encode(text[2000 * (i // len(folders)) :][: 12 * args.prompt]).ids[: args.prompt]
        rows.append({"prompt": prompt, "adapters": [folders[prefix] for prefix in prefixes]})
    return STORYTELLER / tree["model"]["folder"], rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=[*SHAPES, "storyteller"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=32, help="tokens of each prompt")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    make = storyteller_workload(args) if args.name == "storyteller" else random_workload(args.name, folder, args)
    checkpoint, rows = make
    workload = {
        "name": args.name,
        "checkpoint": str(checkpoint),
        "threads": args.threads,
        "newTokens": args.new_tokens,
        "rows": rows,
    }
    (folder / "workload.json").write_text(json.dumps(workload))
    print(folder / "workload.json")
