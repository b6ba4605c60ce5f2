"""onnxruntime-genai on a workload, on the CPU: one JSON line a figure, as README.md says.

    python onnxruntime_genai_peer.py build data/111m/workload.json data/111m/genai-32 [--bits 32|4]
    python onnxruntime_genai_peer.py run data/111m/workload.json data/111m/genai-32 [--bits 32|4]

Its model builder writes one adapter into the graph, as constants. So the path of the first row is joined into one adapter
(`cat`, exact) and becomes a model of its own; other paths would be models of theirs, so there is no switching and no
batch of different paths to measure.
"""

import argparse
import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

ONE_BY_ONE = 4
PRECISIONS = {32: "fp32", 4: "int4"}


def build(workload, target, bits):
    checkpoint = with_tokenizer(Path(workload["checkpoint"]), target / "checkpoint")
    joined = join_path(workload["rows"][0]["adapters"], checkpoint, target / "path-adapter")
    run_builder(checkpoint, target / "path", bits, f"adapter_path={joined}")
    run_builder(checkpoint, target, bits)


def run_builder(checkpoint, target, bits, *options):
    builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(checkpoint), "-o", str(target)]
    extra = ["--extra_options", *options, *(["int4_block_size=32", "int4_accuracy_level=4"] if bits == 4 else [])]
    cache = ["-c", str(target / "cache")]
    subprocess.run(
        [*builder, *cache, "-p", PRECISIONS[bits], "-e", "cpu", *(extra if len(extra) > 1 else [])],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def with_tokenizer(checkpoint, target):
    """The builder wants a tokenizer; random shapes have none, so they get placeholders."""
    if (checkpoint / "tokenizer.json").exists():
        return checkpoint
    from tokenizers import Tokenizer, models

    target.mkdir(parents=True, exist_ok=True)
    for file in checkpoint.iterdir():
        link = target / file.name
        if not link.exists():
            link.symlink_to(file)
    vocab = json.loads((checkpoint / "config.json").read_text())["vocab_size"]
    tokens = {f"token{i}": i for i in range(vocab)}
    Tokenizer(models.WordLevel(tokens, unk_token="token0")).save(str(target / "tokenizer.json"))
    fast = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "token0", "eos_token": "token0"}
    (target / "tokenizer_config.json").write_text(json.dumps(fast))
    return target


def join_path(folders, checkpoint, target):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, folders[0], adapter_name="a0")
    for i, folder in enumerate(folders[1:], 1):
        model.load_adapter(folder, adapter_name=f"a{i}")
    names = [f"a{i}" for i in range(len(folders))]
    model.add_weighted_adapter(names, [1.0] * len(names), "default", combination_type="cat")
    model.save_pretrained(target, selected_adapters=["default"])
    # An adapter named "default" lies in the folder itself.
    return target


def run(workload, target, bits):
    import onnxruntime_genai as og

    rows, new_tokens = workload["rows"], workload["newTokens"]
    few = rows[: min(ONE_BY_ONE, len(rows))]

    def load(folder):
        config = og.Config(str(folder))
        config.overlay(
            json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": workload["threads"]}}}})
        )
        return og.Model(config)

    def generate(model, prompts):
        params = og.GeneratorParams(model)
        length = len(prompts[0]) + new_tokens
        params.set_search_options(
            do_sample=False, batch_size=len(prompts), max_length=length, min_length=length, past_present_share_buffer=True
        )
        generator = og.Generator(model, params)
        generator.append_tokens(np.array(prompts, dtype=np.int32))
        while not generator.is_done():
            generator.generate_next_token()
        return [[int(token) for token in generator.get_sequence(row)[len(prompts[0]) :]] for row in range(len(prompts))]

    base, path = load(target), load(target / "path")
    generate(base, [rows[0]["prompt"]])
    generate(path, [rows[0]["prompt"]])
    for name, group, some, work in [
        ("onnxruntime-genai/one-row", "one row, base", few, lambda: [generate(base, [row["prompt"]])[0] for row in few]),
        ("onnxruntime-genai/batch", "rows, base", rows, lambda: generate(base, [row["prompt"] for row in rows])),
        ("onnxruntime-genai+lora/one-row", "one row, path", few[:1], lambda: generate(path, [few[0]["prompt"]])),
    ]:
        start = time.perf_counter()
        outputs = work()
        seconds = time.perf_counter() - start
        if any(len(tokens) != new_tokens for tokens in outputs):
            raise SystemExit(f"{name}: a row ended early.")
        figure = {
            "name": name,
            "group": group,
            "workload": workload["name"],
            "tokensPerSecond": round(len(some) * new_tokens / seconds, 2),
            "requests": len(some),
            "newTokens": new_tokens,
            "seconds": round(seconds, 3),
            "bits": bits,
            "threads": workload["threads"],
            "tokens": outputs[0],
            "versions": {"onnxruntime-genai": version("onnxruntime-genai")},
        }
        print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["build", "run"])
    parser.add_argument("workload", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--bits", type=int, choices=list(PRECISIONS), default=32)
    args = parser.parse_args()
    action = build if args.action == "build" else run
    action(json.loads(args.workload.read_text()), args.target.resolve(), args.bits)
