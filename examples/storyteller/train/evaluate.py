"""Prints perplexity as markdown: every excerpt of heldout/ under every path, and, given the novels, a wider check.

Each text is tokenised whole without special tokens and cut into pieces of 511 tokens (the last may be shorter). A
window is the end-of-text token and one piece; every token of the piece is scored, the end-of-text token is not. NLL is
the mean over all tokens of a text (natural logarithm), perplexity its exponential. Weights are the committed float16
values, merged and run in float32.
"""

import argparse
import math
from pathlib import Path

import torch
from tokenizers import Tokenizer

from adapters import ADAPTERS, DEMO, ROOT, load
from corpus import FOLDERS, held_out_texts

PIECE = 511
# Tokens of one node's held-out parts that the wider check scores, shared evenly by its books.
WIDE_TOKENS = 50_000


def pieces(ids: list[int]) -> list[list[int]]:
    return [ids[i : i + PIECE] for i in range(0, len(ids), PIECE)]


@torch.inference_mode()
def nll(model, windows: list[list[int]]) -> float:
    """Mean negative log-likelihood of the tokens of the windows, each begun with the end-of-text token (id 0)."""
    total = 0.0
    for window in windows:
        rows = torch.tensor([[0, *window]])
        logits = model(input_ids=rows).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(logits.float(), rows[0, 1:], reduction="sum").item()
    return total / sum(map(len, windows))


def label(path: str) -> str:
    return f"{ROOT}/{path}" if path else ROOT


def wide(tokenizer: Tokenizer, novels: Path, node: str) -> list[list[int]]:
    texts = [text for _, text in held_out_texts(novels, node)]
    each = WIDE_TOKENS // len(texts)
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [piece for text in encoded for piece in pieces(text.ids[:each])]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--demo", type=Path, default=DEMO)
    arguments.add_argument("--novels", type=Path, help="also score more of the held-out parts, on the paths that matter")
    options = arguments.parse_args()

    tokenizer = Tokenizer.from_file(str(options.demo / "base" / "tokenizer.json"))
    paths = ["", *ADAPTERS]
    # Node of the tree -> its excerpt; the root's is English.
    names = {node: folder.split("/")[-1] for node, folder in FOLDERS.items()}
    texts = {
        node: tokenizer.encode((options.demo / "heldout" / f"{name}.txt").read_text("utf-8"), add_special_tokens=False).ids
        for node, name in names.items()
    }
    wider = {node: wide(tokenizer, options.novels, node) for node in ADAPTERS} if options.novels else {}
    scores: dict[tuple[str, str], float] = {}
    wide_scores: dict[tuple[str, str], float] = {}
    for path in paths:
        model = load(path, options.demo).eval()
        for node, ids in texts.items():
            scores[node, path] = nll(model, pieces(ids))
        for node, windows in wider.items():
            if path in ("", node, node.rpartition("/")[0]):
                wide_scores[node, path] = nll(model, windows)

    print("# Perplexity on held-out text\n")
    print(__doc__.split("\n\n", 1)[1].strip(), "\n")
    print("Written by `train/evaluate.py`. Columns are paths, rows are the files of `heldout/`.\n")
    print("## Perplexity\n")
    head = " | ".join(label(path) for path in paths)
    rule = " --: |" * (len(paths) + 1)
    print(f"| text | tokens | {head} |\n| --- |{rule}")
    for node, ids in texts.items():
        cells = " | ".join(f"{math.exp(scores[node, path]):.2f}" for path in paths)
        print(f"| {names[node]} | {len(ids):,} | {cells} |")
    print(f"\n## Mean NLL\n\n| text | tokens | {head} |\n| --- |{rule}")
    for node, ids in texts.items():
        cells = " | ".join(f"{scores[node, path]:.6f}" for path in paths)
        print(f"| {names[node]} | {len(ids):,} | {cells} |")

    def against(title: str, values: dict, counts: dict) -> None:
        print(f"\n## {title}\n\n| path | tokens | parent path | own path | lower by |\n| --- | --: | --: | --: | --: |")
        for node in ADAPTERS:
            parent, own = (math.exp(values[node, p]) for p in (node.rpartition("/")[0], node))
            print(f"| {label(node)} | {counts[node]:,} | {parent:.2f} | {own:.2f} | {100 * (1 - own / parent):.1f} % |")

    against("Each path on its own text, against its parent: the excerpts", scores, {n: len(i) for n, i in texts.items()})
    if wider:
        against(
            "The same on more of the held-out parts (every book, from the first held-out character on)",
            wide_scores,
            {n: sum(map(len, w)) for n, w in wider.items()},
        )


if __name__ == "__main__":
    main()
