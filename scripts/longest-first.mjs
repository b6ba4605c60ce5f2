// The order of the suites: those that take long begin first, so that none is left to run alone at the end. Jest knows how
// long they took the last time; where there was none (in CI), it would go by the size of their files, which says little:
// the suites of test/conformance/ are a few lines that call others.
import Sequencer from '@jest/test-sequencer';

/** From long to short; what matches none, most of `unit/`, comes last. */
const LONGEST = [
  /conformance\/(webgpu|gpu-)/,
  /e2e\/(cli-|platform-process|crash)/,
  /conformance\//,
  /e2e\/|unit\/database\//,
  /runtime\//,
];

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    return sorted.some(({ duration }) => duration !== undefined) ? sorted : sorted.sort((a, b) => rank(a) - rank(b));
  }
}

function rank({ path }) {
  const at = LONGEST.findIndex((pattern) => pattern.test(path.replaceAll('\\', '/')));
  return at < 0 ? LONGEST.length : at;
}
