"""What base and adapters share: windows of tokens, and one training loop."""

import math
import time

import torch
from tokenizers import Tokenizer

LONG = 512
SHORT = 256
# Tokens that one pass holds at once; an optimiser step adds up several passes.
PASS_TOKENS = 2048


def encode_books(tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    """All books as one stream of ids [tokens], each begun with the end-of-text token."""
    ids = [torch.tensor(e.ids) for e in tokenizer.encode_batch(texts)]
    return torch.cat(ids)


class Windows:
    """Random windows of several streams: [rows, length], each the end-of-text token and length - 1 tokens."""

    def __init__(self, streams: list[tuple[float, torch.Tensor]], seed: int):
        self.streams = [stream for _, stream in streams]
        self.shares = torch.tensor([share for share, _ in streams])
        self.generator = torch.Generator().manual_seed(seed)

    def sample(self, rows: int, length: int) -> torch.Tensor:
        chosen = torch.multinomial(self.shares, rows, replacement=True, generator=self.generator)
        windows = []
        for which in chosen.tolist():
            stream = self.streams[which]
            start = int(torch.randint(0, len(stream) - length, (1,), generator=self.generator))
            windows.append(torch.cat([stream.new_zeros(1), stream[start : start + length - 1]]))
        return torch.stack(windows)


def fit(
    model,
    windows: Windows,
    steps: int,
    passes: int,
    lr: float,
    weight_decay: float,
    lengths: tuple[int, int] = (SHORT, LONG),
    long_from: float = 0.7,
    every=None,
):
    """AdamW with 3 % warm-up and cosine decay to a twentieth; matrix products in bfloat16, weights in float32.

    A step is `passes` passes of PASS_TOKENS tokens: windows of the first length, then of the second from `long_from`
    of the steps on.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay)
    warmup = max(1, steps * 3 // 100)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    model.train()
    started = time.time()
    for step in range(steps):
        length = lengths[1] if step >= long_from * steps else lengths[0]
        total = 0.0
        for _ in range(passes):
            rows = windows.sample(PASS_TOKENS // length, length)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(input_ids=rows).logits
            loss = torch.nn.functional.cross_entropy(logits[:, :-1].float().flatten(0, 1), rows[:, 1:].flatten())
            (loss / passes).backward()
            total += loss.item() / passes
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        if step % 20 == 0 or step == steps - 1:
            rate = (step + 1) * passes * PASS_TOKENS / (time.time() - started)
            print(f"step {step:5d} of {steps}  loss {total:.4f}  {rate:.0f} tokens/s", flush=True)
        if every and step % 200 == 199:
            every()
    model.eval()
