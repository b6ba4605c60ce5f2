/** What the service keeps of its requests while an engine process has them. */
import { Admission } from '../../../src/engine/admission.js';
import { ModelLoads } from '../../../src/engine/model-loads.js';
import { Quarantine, QUARANTINE_MS } from '../../../src/engine/quarantine.js';
import { RestartBackoff } from '../../../src/engine/restart-backoff.js';
import { RowStream } from '../../../src/engine/row-stream.js';
import { EspalierError } from '../../../src/errors/espalier-error.js';

const thrown = (act: () => void): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return null;
};

describe('Admission', () => {
  test('turns away what is too much, and takes as many again as leave', () => {
    const admission = new Admission({ maxRows: 2, maxWaiting: 1 });
    for (let n = 0; n < 3; n++) admission.enter();
    expect(thrown(() => admission.enter())).toMatchObject({
      code: 'overloaded',
      status: 429,
      retryAfterSeconds: 1,
      details: { rows: 3, limit: 3 },
    });
    admission.leave();
    admission.enter();
    expect(admission.rows).toBe(3);
  });

  test('says to come back when half will have left, at the rate of the last minute', () => {
    let nowMs = 0;
    const admission = new Admission({ maxRows: 10, maxWaiting: 30 }, () => nowMs);
    for (let n = 0; n < 40; n++) admission.enter();
    // Two leave in a second, for ten seconds.
    for (let n = 0; n < 20; n++) {
      admission.leave();
      admission.enter();
      nowMs += 500;
    }
    expect(admission.retryAfterSeconds()).toBe(10);
    nowMs += 120_000;
    expect(admission.retryAfterSeconds()).toBe(1);
  });

  test('never says longer than a minute', () => {
    let nowMs = 0;
    const admission = new Admission({ maxRows: 500, maxWaiting: 0 }, () => nowMs);
    for (let n = 0; n < 500; n++) admission.enter();
    admission.leave();
    nowMs += 50_000;
    expect(admission.retryAfterSeconds()).toBe(60);
  });
});

describe('RowStream', () => {
  test('gives what was pushed, before and while it is read, then the error', async () => {
    const stream = new RowStream(10);
    stream.push({ id: 'r', token: 1 });
    expect(await stream.next()).toEqual({ id: 'r', token: 1 });
    const next = stream.next();
    stream.push({ id: 'r', token: 2 });
    stream.fail(new Error('late'));
    expect(await next).toEqual({ id: 'r', token: 2 });
    await expect(stream.next()).rejects.toThrow('late');
  });

  test('ends a reader that stops reading', async () => {
    const stream = new RowStream(2);
    expect([1, 2, 3].map((token) => stream.push({ id: 'r', token }))).toEqual([true, true, false]);
    await expect(stream.next()).rejects.toMatchObject({ code: 'slow_reader', details: { unread: 2 } });
  });

  test('closed, it ends quietly, for a reader that waits as well', async () => {
    const stream = new RowStream(2);
    const next = stream.next();
    stream.close();
    stream.fail(new Error('too late to matter'));
    expect(await next).toBeNull();
    expect(await stream.next()).toBeNull();
  });
});

describe('Quarantine', () => {
  test('shuts a path out after the second death that it was alone in, for a stated time', () => {
    let nowMs = 0;
    const quarantine = new Quarantine(() => nowMs);
    quarantine.died(['bad', 'bad']);
    quarantine.check('bad');
    nowMs += 1_000;
    quarantine.died(['bad']);
    expect(thrown(() => quarantine.check('bad'))).toMatchObject({
      code: 'path_quarantined',
      status: 503,
      retryAfterSeconds: QUARANTINE_MS / 1000,
      details: { pathDigest: 'bad', deaths: 2 },
    });
    quarantine.check('good');
    nowMs += QUARANTINE_MS;
    quarantine.check('bad');
  });

  test('suspects nobody of what several were in, or none', () => {
    const quarantine = new Quarantine();
    for (let n = 0; n < 5; n++) {
      quarantine.died(['a', 'b']);
      quarantine.died([]);
    }
    quarantine.check('a');
    quarantine.check('b');
  });

  test('a row that ends well clears its path', () => {
    const quarantine = new Quarantine();
    quarantine.died(['a']);
    quarantine.acquit('a');
    quarantine.died(['a']);
    quarantine.check('a');
  });
});

test('RestartBackoff doubles, has an end, and begins anew after a stable minute', () => {
  const backoff = new RestartBackoff();
  const delays = Array.from({ length: 9 }, () => backoff.next(59_999));
  expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(backoff.next(60_000)).toBe(250);
});

describe('ModelLoads', () => {
  const source = (digest: string) => ({ digest, folder: `/${digest}` });
  const died = new EspalierError({ code: 'engine_died', status: 502, message: 'gone' });
  let asked: string[];
  let loads: ModelLoads;
  beforeEach(() => {
    asked = [];
    loads = new ModelLoads(({ digest }) => asked.push(digest));
  });

  test('a load waits for the process after a restart', async () => {
    const a = loads.load(source('a'));
    loads.processDied(died);
    expect([...loads.loaded]).toEqual([]);
    loads.processStarted();
    loads.loadedNow('a');
    await a;
    expect(asked).toEqual(['a', 'a']);
    expect([...loads.loaded]).toEqual(['a']);
  });

  test('a new process is asked for all that there was, what requests brought in included', () => {
    void loads.load(source('a'));
    loads.loadedNow('a');
    loads.mention(source('b'));
    loads.loadedNow('b');
    asked = [];
    loads.processDied(died);
    loads.processStarted();
    expect(asked).toEqual(['a', 'b']);
    expect([...loads.loaded]).toEqual([]);
  });

  test('a model that the process died of twice is given up; the one behind it is not to blame', async () => {
    const a = loads.load(source('a'));
    const b = loads.load(source('b'));
    const failed = expect(a).rejects.toBe(died);
    loads.processDied(died);
    loads.processStarted();
    loads.processDied(died);
    await failed;
    asked = [];
    loads.processStarted();
    expect(asked).toEqual(['b']);
    loads.loadedNow('b');
    await b;
  });

  test('a model that is forgotten stays away', () => {
    void loads.load(source('a'));
    loads.loadedNow('a');
    loads.forget('a');
    loads.processDied(died);
    asked = [];
    loads.processStarted();
    expect(asked).toEqual([]);
  });
});
