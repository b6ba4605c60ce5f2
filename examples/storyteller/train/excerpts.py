"""Writes heldout/<node>.txt: a few paragraphs from the held-out part of several books of each node."""

import argparse
from pathlib import Path

from adapters import DEMO
from corpus import FOLDERS, held_out_texts

BOOKS = 8
CHARACTERS = 36_000


def excerpt(text: str, characters: int) -> str:
    """Paragraphs from a third of the way into a text, up to a number of characters; the last is cut at a space."""
    paragraphs = text.split("\n")
    first = len(paragraphs) // 3 or 1
    rest = "\n".join(p for p in paragraphs[first:] if p.strip())
    return rest[:characters].rsplit(" ", 1)[0]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--novels", type=Path, required=True)
    arguments.add_argument("--out", type=Path, default=DEMO / "heldout")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for node, folder in FOLDERS.items():
        texts = [text for _, text in held_out_texts(options.novels, node)]
        chosen = [texts[i * len(texts) // min(BOOKS, len(texts))] for i in range(min(BOOKS, len(texts)))]
        parts = [excerpt(text, CHARACTERS // len(chosen)) for text in chosen]
        name = folder.split("/")[-1]
        (options.out / f"{name}.txt").write_text("\n".join(parts) + "\n", encoding="utf-8")
        print(f"{name}: {len(chosen)} books, {sum(map(len, parts)):,} characters")


if __name__ == "__main__":
    main()
