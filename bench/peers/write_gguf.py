"""A Llama checkpoint of a workload and its adapters → GGUF files, for llama.cpp. Random shapes have no tokenizer: token ids
in and out, so the vocabulary holds placeholders.

    python write_gguf.py data/111m/workload.json data/111m/gguf [--bits 32|8|4]

The folder gets `model.gguf`, a file for each adapter, and `gguf.json`, which says where they are. 8 bits are q8_0, 4 bits
q4_0; the embedding, which the head shares, is q8_0 in both. Norms and adapters stay float32.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from gguf.quants import quantize
from safetensors.numpy import load_file

QUANTIZED = {32: None, 8: GGMLQuantizationType.Q8_0, 4: GGMLQuantizationType.Q4_0}

BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def interleave(weight, heads):
    """llama.cpp rotates neighbouring elements, transformers the two halves of a head."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def interleaved(ours, tensor, config):
    if ours == "attn_q":
        return interleave(tensor, config["num_attention_heads"])
    if ours == "attn_k":
        return interleave(tensor, config["num_key_value_heads"])
    return tensor


def write_model(checkpoint, config, target, bits):
    tensors = load_file(checkpoint / "model.safetensors")
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10000.0)}

    writer = GGUFWriter(target, "llama")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type({32: 0, 8: 7, 4: 2}[bits])
    vocab = config["vocab_size"]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([f"<0x{i:02X}>" if i < 256 else f"token{i}" for i in range(vocab)])
    writer.add_token_scores([0.0] * vocab)
    writer.add_token_types([TokenType.BYTE if i < 256 else TokenType.NORMAL for i in range(vocab)])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)

    def add(name, tensor, quantization=None):
        tensor = np.ascontiguousarray(tensor, dtype=np.float32)
        if quantization is None:
            writer.add_tensor(name, tensor)
        else:
            writer.add_tensor(name, quantize(tensor, quantization), raw_dtype=quantization)

    embedding = None if bits == 32 else GGMLQuantizationType.Q8_0
    add("token_embd.weight", tensors["model.embed_tokens.weight"], embedding)
    add("output_norm.weight", tensors["model.norm.weight"])
    if not config.get("tie_word_embeddings"):
        add("output.weight", tensors["lm_head.weight"], embedding)
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in BLOCK.items():
            tensor = interleaved(ours, tensors[f"model.layers.{layer}.{theirs}.weight"], config)
            add(f"blk.{layer}.{ours}.weight", tensor, QUANTIZED[bits] if tensor.ndim == 2 else None)
    close(writer)


def write_adapter(folder, config, target):
    """A PEFT folder, one rank and alpha for all its modules."""
    peft = json.loads((folder / "adapter_config.json").read_text())
    writer = GGUFWriter(target, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    # llama.cpp multiplies by alpha / rank, with the rank of the tensors.
    writer.add_float32("adapter.lora.alpha", float(peft["lora_alpha"]))
    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        _, _, _, layer, *module, half, _ = name.removeprefix("base_model.").split(".")
        ours = BLOCK[".".join(module)]
        if half == "lora_B":
            tensor = interleaved(ours, tensor, config)
        tensor = np.ascontiguousarray(tensor, dtype=np.float32)
        writer.add_tensor(f"blk.{layer}.{ours}.weight.{half.lower()}", tensor)
    close(writer)


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--bits", type=int, choices=list(QUANTIZED), default=32)
    args = parser.parse_args()
    workload = json.loads(args.workload.read_text())
    checkpoint = Path(workload["checkpoint"])
    config = json.loads((checkpoint / "config.json").read_text())
    target = args.target.resolve()
    target.mkdir(parents=True, exist_ok=True)
    model = target / "model.gguf"
    write_model(checkpoint, config, model, args.bits)
    adapters = {}
    for folder in dict.fromkeys(folder for row in workload["rows"] for folder in row["adapters"]):
        adapters[folder] = str(target / f"adapter-{len(adapters)}.gguf")
        write_adapter(Path(folder), config, adapters[folder])
    (target / "gguf.json").write_text(json.dumps({"model": str(model), "bits": args.bits, "adapters": adapters}))


if __name__ == "__main__":
    main()
