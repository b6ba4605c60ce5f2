"""Trains the byte-level BPE on the training parts of all languages, English weighted highest, and writes it to base/.

The post-processor begins every text with the end-of-text token, which also separates the books. The chat tokens are
reserved: no text has them, the template does not use them, and train_base.py gives them embeddings after training.
"""

import argparse
import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from corpus import LANGUAGES, training_texts

END_OF_TEXT = "<|endoftext|>"
CHAT_TOKENS = ["<|user|>", "<|assistant|>"]
# Characters of each corpus that the merges are learnt from.
CHARACTERS = {"storyteller": 8_000_000, "french": 2_500_000, "german": 2_500_000, "spanish": 2_500_000}
# The conversation so far is the opening of a story, a message a paragraph; the model goes on from there.
CHAT_TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% if not loop.last %}{{ '\\n' }}{% endif %}{% endfor %}"


def pieces(novels: Path):
    for node in ("storyteller", *LANGUAGES):
        texts = training_texts(novels, node)
        share = CHARACTERS[node] // len(texts)
        for text in texts:
            yield text[:share]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--novels", type=Path, required=True)
    arguments.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "base")
    arguments.add_argument("--vocab", type=int, default=6144)
    options = arguments.parse_args()

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=options.vocab,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(pieces(options.novels), trainer)
    tokenizer.add_special_tokens(CHAT_TOKENS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A",
        pair=f"{END_OF_TEXT} $A {END_OF_TEXT} $B",
        special_tokens=[(END_OF_TEXT, tokenizer.token_to_id(END_OF_TEXT))],
    )
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(options.out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "additional_special_tokens": CHAT_TOKENS,
        "model_max_length": 1024,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (options.out / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
