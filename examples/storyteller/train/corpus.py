"""The novels: which books belong to which node, and what is held out.

A corpus folder holds one folder a language with one UTF-8 file a book (a paragraph a line); a folder inside a language
holds one author, whose books train that author's adapter alone. The last tenth of every book (by characters) is held
out: nothing here, the tokenizer included, is trained on it.
"""

from pathlib import Path

HELD_OUT = 0.1

# Node of the tree -> folder of the corpus.
FOLDERS = {
    "storyteller": "english",
    "doyle": "english/doyle",
    "french": "french",
    "french/verne": "french/verne",
    "german": "german",
    "german/kafka": "german/kafka",
    "spanish": "spanish",
    "spanish/galdos": "spanish/galdos",
}
LANGUAGES = ("french", "german", "spanish")


def books(novels: Path, node: str) -> list[tuple[str, str]]:
    """(name, text) of every book of a node, by name; an author's books do not count for the language above."""
    files = sorted((novels / FOLDERS[node]).glob("*.txt"))
    if not files:
        raise SystemExit(f"no books in {novels / FOLDERS[node]}")
    return [(file.stem, file.read_text(encoding="utf-8")) for file in files]


def split(text: str) -> tuple[str, str]:
    """(training part, held-out part)."""
    cut = int(len(text) * (1 - HELD_OUT))
    return text[:cut], text[cut:]


def training_texts(novels: Path, node: str) -> list[str]:
    return [split(text)[0] for _, text in books(novels, node)]


def held_out_texts(novels: Path, node: str) -> list[tuple[str, str]]:
    return [(name, split(text)[1]) for name, text in books(novels, node)]
