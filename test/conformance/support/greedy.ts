/** Nearer than this, two arithmetics may choose differently. */
const CLOSE = 1e-4;

/** Whether both choose the same token at every position where the top two are apart. logits: [positions, vocab] */
export function sameGreedyTokens(one: Float32Array, other: Float32Array, vocab: number): boolean {
  for (let at = 0; at < one.length; at += vocab) {
    const [first, second] = topTwo(one.subarray(at, at + vocab));
    if (first.logit - second.logit < CLOSE) continue;
    if (topTwo(other.subarray(at, at + vocab))[0].token !== first.token) return false;
  }
  return true;
}

type Choice = { token: number; logit: number };

function topTwo(logits: Float32Array): [Choice, Choice] {
  let first: Choice = { token: -1, logit: -Infinity };
  let second = first;
  logits.forEach((logit, token) => {
    if (logit > first.logit) [first, second] = [{ token, logit }, first];
    else if (logit > second.logit) second = { token, logit };
  });
  return [first, second];
}
