"""Writes peft-targets.json: which modules PEFT itself gives a LoRA layer for many configs, with which rank and scale.

    python test/unit/formats/make_peft_targets.py      (peft 0.21, transformers 5, torch)

Each adapter is saved and loaded again as a user's would be, so that what is compared is what PEFT serves.
"""

import json
import tempfile
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

LAYERS = 12
CONFIGS = {
    "default targets": {},
    "list": {"target_modules": ["q_proj", "down_proj"]},
    "suffixes of several segments": {"target_modules": ["layers.1.self_attn.q_proj", "mlp.up_proj"]},
    "full name": {"target_modules": ["model.layers.11.mlp.gate_proj"]},
    "a suffix counts by whole segments": {"target_modules": ["proj", "q_proj"]},
    "lm_head": {"target_modules": ["v_proj", "lm_head"]},
    "all-linear": {"target_modules": "all-linear"},
    "regex": {"target_modules": r".*layers\.(1|11)\.(self_attn\.[qk]_proj|mlp\.\w+_proj)"},
    "regex with alternatives at the top": {"target_modules": r"lm_head|.*\.o_proj"},
    "regex, whole names only": {"target_modules": r".*layers\.1.*q_proj"},
    "exclude by list": {"target_modules": ["q_proj", "v_proj"], "exclude_modules": ["layers.1.self_attn.q_proj"]},
    "exclude by regex": {"target_modules": "all-linear", "exclude_modules": r".*layers\.\d\..*"},
    "layers": {"target_modules": ["q_proj"], "layers_to_transform": [1, 11]},
    "one layer": {"target_modules": ["q_proj", "model.layers.3.mlp.up_proj"], "layers_to_transform": 1},
    "layer 0": {"target_modules": ["q_proj"], "layers_to_transform": 0},
    "layers leave out lm_head unless it is named in full": {
        "target_modules": ["q_proj", "lm_head"],
        "layers_to_transform": [2],
    },
    "layers by pattern": {"target_modules": ["q_proj"], "layers_to_transform": [2], "layers_pattern": ["layers"]},
    "layers by several patterns": {
        "target_modules": ["q_proj"],
        "layers_to_transform": [2, 5],
        "layers_pattern": ["h", "lay.rs"],
    },
    "rsLoRA": {"target_modules": ["q_proj"], "use_rslora": True, "r": 6, "lora_alpha": 5},
    "rank_pattern, layers 1 and 11": {
        "target_modules": ["q_proj", "v_proj"],
        "rank_pattern": {"1.self_attn.v_proj": 7, "layers.1.self_attn.q_proj": 2, "v_proj": 3},
    },
    "first pattern that matches": {
        "target_modules": ["q_proj"],
        "rank_pattern": {r".*\.1\..*": 2, "q_proj": 3},
        "alpha_pattern": {"q_proj": 9, r"layers\.1\.self_attn\.q_proj": 1},
    },
    "anchored patterns": {
        "target_modules": ["q_proj"],
        "rank_pattern": {r"^model.layers.1.self_attn.q_proj": 2, r"^layers.2.self_attn.q_proj": 3},
    },
    "a dot matches anything": {"target_modules": ["q_proj"], "rank_pattern": {"layers.1.self.attn.q_proj": 2}},
    "patterns in parts of a segment do not match": {
        "target_modules": ["q_proj", "lm_head"],
        "rank_pattern": {"proj": 2, "head": 3, "q_pro": 5},
    },
    "alternatives in a pattern": {
        "target_modules": ["q_proj", "v_proj"],
        "rank_pattern": {r"(0|10)\.self_attn\.(q|v)_proj|lm_head": 2},
        "alpha_pattern": {r"layers\.\d\.self_attn\.v_proj": 32.5},
        "use_rslora": True,
    },
    "fan_in_fan_out": {"target_modules": ["q_proj"], "fan_in_fan_out": True, "lora_alpha": 3},
}

DEFAULTS = LoraConfig(peft_type="LORA").to_dict()


def base_model():
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=24,
            hidden_size=16,
            intermediate_size=20,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            num_key_value_heads=1,
            tie_word_embeddings=False,
        )
    )


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cases = []
    for name, options in CONFIGS.items():
        with tempfile.TemporaryDirectory() as folder:
            config = LoraConfig(**{"r": 4, "lora_alpha": 8, **options}, task_type="CAUSAL_LM")
            get_peft_model(base_model(), config).save_pretrained(folder)
            saved = json.loads(Path(folder, "adapter_config.json").read_text())
            # As the author wrote it: a set has no order, and all-linear is saved as the modules that it stood for.
            saved |= {key: options[key] for key in ("target_modules", "exclude_modules") if key in options}
            if "target_modules" not in options:
                saved["target_modules"] = None
            Path(folder, "adapter_config.json").write_text(json.dumps(saved))
            loaded = PeftModel.from_pretrained(base_model(), folder)
        targets = {}
        for key, module in loaded.base_model.model.named_modules():
            if hasattr(module, "lora_A") and len(module.lora_A) > 0:
                rank_and_scale = f'{module.r["default"]} {module.scaling["default"]!r}'
                targets.setdefault(rank_and_scale, []).append(key)
        changed = {key: value for key, value in saved.items() if value != DEFAULTS[key]}
        cases.append({"name": name, "config": changed, "targets": targets})
        print(name, {key: len(modules) for key, modules in targets.items()})
    file = Path(__file__).with_name("peft-targets.json")
    file.write_text(json.dumps({"layers": LAYERS, "defaults": DEFAULTS, "cases": cases}, indent=2) + "\n")


main()
