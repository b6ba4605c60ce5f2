"""The tree of adapters: how each is shaped and trained, and how a path becomes one set of weights.

The shapes differ on purpose: ranks, plain and rank-stabilised scale, one adapter whose attention has less rank.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from transformers import LlamaForCausalLM

DEMO = Path(__file__).parent.parent
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ROOT = "storyteller"


@dataclass(frozen=True)
class Shape:
    rank: int
    alpha: int
    steps: int
    rslora: bool = False
    ranks: dict[str, int] = field(default_factory=dict)
    alphas: dict[str, int] = field(default_factory=dict)

    def config(self) -> LoraConfig:
        return LoraConfig(
            task_type="CAUSAL_LM",
            r=self.rank,
            lora_alpha=self.alpha,
            use_rslora=self.rslora,
            rank_pattern=self.ranks,
            alpha_pattern=self.alphas,
            target_modules=LINEARS,
        )


# Path below the root -> shape. A parent stands before its children.
ADAPTERS = {
    "french": Shape(rank=32, alpha=64, steps=200),
    "german": Shape(rank=32, alpha=64, steps=90),
    "spanish": Shape(rank=32, alpha=8, steps=90, rslora=True),
    "doyle": Shape(rank=16, alpha=32, steps=50),
    "french/verne": Shape(rank=16, alpha=32, steps=60),
    "german/kafka": Shape(rank=12, alpha=24, steps=50, ranks={"self_attn.[qk]_proj": 4}, alphas={"self_attn.[qk]_proj": 8}),
    "spanish/galdos": Shape(rank=8, alpha=4, steps=50, rslora=True),
}


def load(path: str, demo: Path = DEMO) -> LlamaForCausalLM:
    """The base with the deltas of every node of a path added to its weights, in float32. The root is ''."""
    model = LlamaForCausalLM.from_pretrained(demo / "base", dtype=torch.float32)
    segments = path.split("/") if path else []
    for depth in range(len(segments)):
        folder = demo / "adapters" / "/".join(segments[: depth + 1])
        model = PeftModel.from_pretrained(model, folder).merge_and_unload()
    return model
