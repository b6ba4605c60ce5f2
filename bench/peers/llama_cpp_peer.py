"""llama.cpp through llama-cpp-python's low-level bindings on a workload, on the CPU: one JSON line a figure, as README.md
says.

    python llama_cpp_peer.py data/111m/workload.json data/111m/gguf/gguf.json

A context sums the adapters that are set on it, for all its rows: so rows of one batch can't take different paths, and
sixteen paths are sixteen requests one after the other, the adapters set anew for each (`switching`).
"""

import ctypes
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import llama_cpp as llama
import numpy as np

ONE_BY_ONE = 4


class Context:
    def __init__(self, model, vocab, workload, rows):
        self.model, self.vocab, self.new_tokens = model, vocab, workload["newTokens"]
        length = len(workload["rows"][0]["prompt"]) + self.new_tokens + 8
        params = llama.llama_context_default_params()
        params.n_ctx = rows * length
        params.n_batch = params.n_ubatch = max(64, rows * len(workload["rows"][0]["prompt"]))
        params.n_seq_max = rows
        params.n_threads = params.n_threads_batch = workload["threads"]
        self.context = llama.llama_init_from_model(model, params)
        self.batch = llama.llama_batch_init(params.n_batch, 0, 1)

    def set_adapters(self, adapters):
        array = (llama.llama_adapter_lora_p_ctypes * max(1, len(adapters)))(*adapters)
        scales = (ctypes.c_float * max(1, len(adapters)))(*[1.0] * len(adapters))
        if llama.llama_set_adapters_lora(self.context, array, len(adapters), scales) != 0:
            raise SystemExit("The adapters can't be set.")

    def generate(self, prompts):
        """Greedy, all prompts in one batch → the new tokens of each."""
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)
        outputs = [[] for _ in prompts]
        feed = [(token, position, row) for row, prompt in enumerate(prompts) for position, token in enumerate(prompt)]
        for step in range(self.new_tokens):
            last = {row: index for index, (_, _, row) in enumerate(feed)}
            self.batch.n_tokens = len(feed)
            for index, (token, position, row) in enumerate(feed):
                self.batch.token[index], self.batch.pos[index] = token, position
                self.batch.n_seq_id[index], self.batch.seq_id[index][0] = 1, row
                self.batch.logits[index] = last[row] == index
            if llama.llama_decode(self.context, self.batch) != 0:
                raise SystemExit("The batch can't be decoded.")
            feed = []
            for row, index in last.items():
                logits = np.ctypeslib.as_array(llama.llama_get_logits_ith(self.context, index), shape=(self.vocab,))
                token = int(logits.argmax())
                outputs[row].append(token)
                feed.append((token, len(prompts[row]) + step, row))
        return outputs

    def close(self):
        llama.llama_batch_free(self.batch)
        llama.llama_free(self.context)


def main(workload_file, gguf_file):
    workload, gguf = json.loads(Path(workload_file).read_text()), json.loads(Path(gguf_file).read_text())
    rows = workload["rows"]
    few = rows[: min(ONE_BY_ONE, len(rows))]
    quiet = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(quiet, ctypes.c_void_p(0))
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(gguf["model"].encode(), llama.llama_model_default_params())
    vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    adapters = {folder: llama.llama_adapter_lora_init(model, file.encode()) for folder, file in gguf["adapters"].items()}
    single, batched = Context(model, vocab, workload, 1), Context(model, vocab, workload, len(rows))

    def one_by_one(some, with_paths):
        outputs = []
        for row in some:
            single.set_adapters([adapters[folder] for folder in row["adapters"]] if with_paths else [])
            outputs += single.generate([row["prompt"]])
        return outputs

    single.generate([rows[0]["prompt"]])
    for name, group, some, work in [
        ("llama.cpp/one-row", "one row, base", few, lambda: one_by_one(few, False)),
        ("llama.cpp/batch", "rows, base", rows, lambda: batched.generate([row["prompt"] for row in rows])),
        ("llama.cpp+lora/one-row", "one row, path", few[:1], lambda: one_by_one(few[:1], True)),
        ("llama.cpp+lora/switching", "rows, paths", rows, lambda: one_by_one(rows, True)),
    ]:
        start = time.perf_counter()
        outputs = work()
        seconds = time.perf_counter() - start
        print(
            json.dumps(
                {
                    "name": name,
                    "group": group,
                    "workload": workload["name"],
                    "tokensPerSecond": round(len(some) * workload["newTokens"] / seconds, 2),
                    "requests": len(some),
                    "newTokens": workload["newTokens"],
                    "seconds": round(seconds, 3),
                    "bits": gguf["bits"],
                    "threads": workload["threads"],
                    "tokens": outputs[0],
                    "versions": {"llama-cpp-python": version("llama-cpp-python")},
                }
            ),
            flush=True,
        )
    single.close()
    batched.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
