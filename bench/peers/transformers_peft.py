"""transformers + PEFT on a workload, in float32: one JSON line a figure, as README.md says.

    python transformers_peft.py data/111m/workload.json [--repeats 2]

| name | group | what is done |
| --- | --- | --- |
| transformers/one-row | one row, base | the first few rows, one after the other |
| transformers+peft/one-row | one row, path | the same, with the adapters of the row's path active at once |
| transformers/batch | rows, base | all rows in one batch |
| transformers+peft/switching | rows, paths | one row after the other, the active adapters set anew for each: how PEFT runs stacked adapters |
| transformers+peft/mixed | rows, paths | one batch by `adapter_names`, which takes one adapter a row: so each path is joined into one (`cat`, exact) before the clock starts |
"""

import argparse
import json
import statistics
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
from transformers.utils import logging

ONE_BY_ONE = 4


def load(workload):
    base = AutoModelForCausalLM.from_pretrained(workload["checkpoint"], dtype=torch.float32).eval()
    base.generation_config.pad_token_id = 0
    paths = [row["adapters"] for row in workload["rows"]]
    folders = list(dict.fromkeys(folder for path in paths for folder in path))
    names = {folder: f"a{i}" for i, folder in enumerate(folders)}
    model = PeftModel.from_pretrained(base, folders[0], adapter_name=names[folders[0]])
    for folder in folders[1:]:
        model.load_adapter(folder, adapter_name=names[folder])
    joined = {}
    for path in paths:
        key = tuple(path)
        if key in joined:
            continue
        members = [names[folder] for folder in path]
        joined[key] = members[0] if len(members) == 1 else f"path{len(joined)}"
        if len(members) > 1:
            model.add_weighted_adapter(members, [1.0] * len(members), joined[key], combination_type="cat")
    return model.eval(), [[names[f] for f in path] for path in paths], [joined[tuple(path)] for path in paths]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", type=Path)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    workload = json.loads(args.workload.read_text())
    torch.set_num_threads(workload["threads"])
    new_tokens, rows = workload["newTokens"], workload["rows"]
    prompts = [torch.tensor(row["prompt"]) for row in rows]
    model, paths, joined = load(workload)

    @torch.inference_mode()
    def generate(ids, **kwargs):
        mask = torch.ones_like(ids)
        return model.generate(
            input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=new_tokens, min_new_tokens=new_tokens, **kwargs
        )[:, ids.shape[1] :]

    def base(work):
        with model.disable_adapter():
            return work()

    def one_by_one(count, switch):
        outputs = []
        for prompt, path in zip(prompts[:count], paths):
            if switch:
                model.base_model.set_adapter(path)
            outputs.append(generate(prompt[None]))
        return torch.cat(outputs)

    few = min(ONE_BY_ONE, len(rows))
    batch = torch.stack(prompts)
    switching, mixed = "transformers+peft/switching", "transformers+peft/mixed"
    figures = [
        ("one row, base", "transformers/one-row", few, lambda: base(lambda: one_by_one(few, False))),
        ("one row, path", "transformers+peft/one-row", few, lambda: one_by_one(few, True)),
        ("rows, base", "transformers/batch", len(rows), lambda: base(lambda: generate(batch))),
        ("rows, paths", switching, len(rows), lambda: one_by_one(len(rows), True)),
        ("rows, paths", mixed, len(rows), lambda: generate(batch, adapter_names=joined)),
    ]
    outputs = {}
    with model.disable_adapter():
        generate(batch[:1])
    for group, name, requests, work in figures:
        seconds = []
        for _ in range(args.repeats):
            start = time.perf_counter()
            outputs[name] = work()
            seconds.append(time.perf_counter() - start)
        took = statistics.median(seconds)
        print(
            json.dumps(
                {
                    "name": name,
                    "group": group,
                    "workload": workload["name"],
                    "tokensPerSecond": round(requests * new_tokens / took, 2),
                    "requests": requests,
                    "newTokens": new_tokens,
                    "seconds": round(took, 3),
                    "bits": 32,
                    "threads": workload["threads"],
                    "tokens": outputs[name][0].tolist(),
                    "versions": {package: version(package) for package in ("torch", "transformers", "peft")},
                }
            ),
            flush=True,
        )
    # The two ways of applying a path must be the same function, or one of the figures is of something else.
    agree = (outputs[mixed] == outputs[switching]).float().mean().item()
    if agree < 0.9:
        raise SystemExit(f"Switching and mixed batch chose the same tokens in only {agree:.0%} of the places.")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    main()
