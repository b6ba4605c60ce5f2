"""Trains the adapters with PEFT, each on top of its parent as committed, and writes them to adapters/ in float16."""

import argparse
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from tokenizers import Tokenizer

from adapters import ADAPTERS, DEMO, ROOT, load
from corpus import training_texts
from training import LONG, Windows, encode_books, fit


def save(model, folder: Path) -> None:
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    config = model.peft_config["default"]
    config.inference_mode = True
    config.base_model_name_or_path = ROOT  # PEFT has put the folder on this machine there
    config.target_modules = sorted(config.target_modules)
    config.save_pretrained(folder)
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--novels", type=Path, required=True)
    arguments.add_argument("--demo", type=Path, default=DEMO)
    arguments.add_argument("--only", nargs="*", default=list(ADAPTERS), help="paths below the root")
    arguments.add_argument("--steps", type=int, help="instead of each adapter's own number")
    arguments.add_argument("--lr", type=float, default=3e-3)
    arguments.add_argument("--further", action="store_true", help="train what is there on, instead of from nothing")
    options = arguments.parse_args()

    tokenizer = Tokenizer.from_file(str(options.demo / "base" / "tokenizer.json"))
    for path in options.only:
        shape = ADAPTERS[path]
        parent, _, _ = path.rpartition("/")
        torch.manual_seed(0)
        base = load(parent, options.demo)
        if options.further:
            model = PeftModel.from_pretrained(base, options.demo / "adapters" / path, is_trainable=True)
        else:
            model = get_peft_model(base, shape.config())
        stream = encode_books(tokenizer, training_texts(options.novels, path))
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        print(f"{path} on {parent or 'the base'}: {trained:,} parameters; {len(stream):,} tokens", flush=True)
        fit(
            model,
            Windows([(1.0, stream)], seed=2 if options.further else 1),
            options.steps or shape.steps,
            passes=2,
            lr=options.lr,
            weight_decay=0.0,
            lengths=(LONG, LONG),
        )
        save(model, options.demo / "adapters" / path)


if __name__ == "__main__":
    main()
