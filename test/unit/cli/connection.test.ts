import { expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../../../src/cli/connection.js';
import { NoKeyError, UsageError } from '../../../src/cli/errors.js';

it('takes flags before the environment, and both before the key files of the data folder', () => {
  const data = mkdtempSync(join(tmpdir(), 'espalier keys '));
  try {
    mkdirSync(join(data, 'keys'));
    for (const kind of ['admin', 'infer']) writeFileSync(join(data, 'keys', `${kind}.key`), `${kind} of the folder\n`);
    const env = { ESPALIER_DATA: data };
    expect(connect({}, 'admin', env)).toEqual({ url: 'http://127.0.0.1:8100', key: 'admin of the folder' });
    expect(connect({}, 'infer', env).key).toBe('infer of the folder');
    const set = { ...env, ESPALIER_KEY: 'set', ESPALIER_URL: 'http://set:1/' };
    expect(connect({}, 'infer', set)).toEqual({ url: 'http://set:1', key: 'set' });
    const flags = { url: 'https://flag/base//', key: 'flag' };
    expect(connect(flags, 'infer', set)).toEqual({ url: 'https://flag/base', key: 'flag' });
    expect(connect({}, 'infer', { ...env, ESPALIER_KEY: '' }).key).toBe('infer of the folder');
  } finally {
    rmSync(data, { recursive: true });
  }
  expect(() => connect({}, 'admin', { ESPALIER_DATA: data })).toThrow(NoKeyError);
  expect(() => connect({ url: 'nonsense', key: 'k' }, 'admin', {})).toThrow(UsageError);
});
