"""Trains the base model from nothing, or trains it further on longer windows, and writes it to base/ in float16."""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from corpus import LANGUAGES, training_texts
from training import LONG, SHORT, Windows, encode_books, fit

# The share of the windows that each corpus gives: English with a little of the others.
SHARES = {"storyteller": 0.88, "french": 0.04, "german": 0.04, "spanish": 0.04}
CONTEXT = 1024
# The character that byte-level BPE writes for the byte 0xFF, which UTF-8 never has.
UNUSED_BYTE = "ÿ"


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, out: Path) -> None:
    """Writes the model; tokens added after training (reserved for chat) get the embedding of a byte that no text has."""
    config = LlamaConfig.from_dict(model.config.to_dict())
    config.dtype = torch.float16
    config.architectures = ["LlamaForCausalLM"]
    config.vocab_size = tokenizer.get_vocab_size()
    config.max_position_embeddings = CONTEXT
    config.save_pretrained(out)
    tensors = {k: v.detach().half().contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    embedding = tensors["model.embed_tokens.weight"]
    reserved = embedding[tokenizer.token_to_id(UNUSED_BYTE)].repeat(config.vocab_size - len(embedding), 1)
    tensors["model.embed_tokens.weight"] = torch.cat([embedding, reserved])
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    generation = {
        "bos_token_id": 0,
        "eos_token_id": 0,
        "do_sample": True,
        "temperature": 0.8,
        "top_p": 0.95,
        "max_new_tokens": 200,
    }
    (out / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--novels", type=Path, required=True)
    arguments.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "base")
    arguments.add_argument("--steps", type=int, default=1800)
    arguments.add_argument("--passes", type=int, default=4, help="passes of 2,048 tokens in a step")
    arguments.add_argument("--lr", type=float, default=2.5e-3)
    arguments.add_argument("--further", action="store_true", help=f"train what is there on, on windows of {CONTEXT} tokens")
    options = arguments.parse_args()

    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(options.out / "tokenizer.json"))
    streams = [
        (SHARES[node], encode_books(tokenizer, training_texts(options.novels, node)))
        for node in ("storyteller", *LANGUAGES)
    ]
    if options.further:
        model = LlamaForCausalLM.from_pretrained(options.out, dtype=torch.float32)
    else:
        config = LlamaConfig(
            vocab_size=tokenizer.get_vocab_size(with_added_tokens=False),
            hidden_size=256,
            intermediate_size=704,
            num_hidden_layers=8,
            num_attention_heads=8,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT,
            rope_theta=10000.0,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
        )
        model = LlamaForCausalLM(config)
    print(f"{model.num_parameters():,} parameters; {sum(len(s) for _, s in streams):,} tokens", flush=True)
    fit(
        model,
        Windows(streams, seed=2 if options.further else 1),
        options.steps,
        options.passes,
        options.lr,
        weight_decay=0.1,
        lengths=(CONTEXT, CONTEXT) if options.further else (SHORT, LONG),
        every=lambda: save(model, tokenizer, options.out),
    )
    save(model, tokenizer, options.out)


if __name__ == "__main__":
    main()
