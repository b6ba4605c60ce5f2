import { afterAll, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ConfigFile } from '../../../src/cli/config-file.js';
import { connect } from '../../../src/cli/connection.js';
import { NoKeyError, UsageError } from '../../../src/cli/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'espalier config '));
afterAll(() => rmSync(folder, { recursive: true }));

const data = join(folder, 'data');
mkdirSync(join(data, 'keys'), { recursive: true });
for (const kind of ['admin', 'infer']) writeFileSync(join(data, 'keys', `${kind}.key`), `${kind} of the folder\n`);
/** Nothing of the machine that runs the tests. */
const env = { ESPALIER_DATA: data, XDG_CONFIG_HOME: join(folder, 'none') };

let files = 0;
function configFile(contents: object | string, mode = 0o600): string {
  const file = join(folder, `config ${files++}.json`);
  writeFileSync(file, typeof contents === 'string' ? contents : JSON.stringify(contents), { mode });
  return file;
}

describe('URL and key', () => {
  it('come from flags before the environment, and both before the key files of the data folder', () => {
    expect(connect({}, 'admin', env)).toMatchObject({ url: 'http://127.0.0.1:8100', key: 'admin of the folder' });
    expect(connect({}, 'infer', env).key).toBe('infer of the folder');
    const set = { ...env, ESPALIER_KEY: 'set', ESPALIER_URL: 'http://set:1/' };
    expect(connect({}, 'infer', set)).toMatchObject({ url: 'http://set:1', key: 'set' });
    const flags = { url: 'https://flag/base//', key: 'flag' };
    expect(connect(flags, 'infer', set)).toMatchObject({ url: 'https://flag/base', key: 'flag' });
    expect(connect({}, 'infer', { ...env, ESPALIER_KEY: '' }).key).toBe('infer of the folder');
    expect(() => connect({}, 'admin', { ...env, ESPALIER_DATA: '/nowhere' })).toThrow(NoKeyError);
    expect(() => connect({ url: 'nonsense', key: 'k' }, 'admin', env)).toThrow(UsageError);
    expect(() => connect({ url: 'file:///etc', key: 'k' }, 'admin', env)).toThrow(UsageError);
  });

  it('come from the configuration file after the environment, and from a named profile before it', () => {
    const config = configFile({
      url: 'http://file:1',
      key: 'of the file',
      profiles: { production: { url: 'https://production', keyFile: join(data, 'keys', 'infer.key') } },
    });
    expect(connect({ config }, 'admin', env)).toMatchObject({ url: 'http://file:1', key: 'of the file' });
    expect(connect({}, 'admin', { ...env, ESPALIER_CONFIG: config }).key).toBe('of the file');
    const set = { ...env, ESPALIER_KEY: 'set', ESPALIER_URL: 'http://set:1' };
    expect(connect({ config }, 'admin', set)).toMatchObject({ url: 'http://set:1', key: 'set' });
    const production = { url: 'https://production', key: 'infer of the folder' };
    expect(connect({ config, profile: 'production' }, 'admin', set)).toMatchObject(production);
    expect(connect({ config }, 'admin', { ...env, ESPALIER_PROFILE: 'production' })).toMatchObject(production);
    expect(connect({ config, profile: 'production', key: 'flag' }, 'admin', set).key).toBe('flag');
    expect(() => connect({ config, profile: 'staging' }, 'admin', env)).toThrow(/There are: default, production/);
    const choosing = configFile({ profile: 'a', profiles: { a: { url: 'http://a', key: 'k' } } });
    expect(connect({ config: choosing }, 'admin', env).url).toBe('http://a');
  });

  it('go together: no key is sent to another service than its own', () => {
    const config = configFile({ url: 'http://file:1/', key: 'of the file' });
    expect(connect({ config, url: 'http://file:1' }, 'admin', env).key).toBe('of the file');
    expect(() => connect({ config, url: 'http://elsewhere' }, 'admin', env)).toThrow(NoKeyError);
    expect(() => connect({ url: 'http://10.0.0.1:8100' }, 'admin', env)).toThrow(NoKeyError);
    expect(connect({ url: 'http://[::1]:8100' }, 'admin', env).key).toBe('admin of the folder');
  });

  it('find a data folder below ~/', () => {
    const below = `~/${relative(homedir(), data)}`;
    expect(connect({}, 'admin', { ...env, ESPALIER_DATA: below }).key).toBe('admin of the folder');
  });
});

describe('the configuration file', () => {
  const warnings = (contents: object, mode: number): number =>
    ConfigFile.read(configFile(contents, mode), env).warnings.length;

  it('warns where others can read a key', () => {
    expect(warnings({ key: 'k' }, 0o644)).toBe(1);
    expect(warnings({ profiles: { a: { key: 'k' } } }, 0o640)).toBe(1);
    expect(warnings({ key: 'k' }, 0o600)).toBe(0);
    expect(warnings({ url: 'http://a', keyFile: 'f' }, 0o644)).toBe(0);
  });

  it('may be missing where it is by default, and says what is wrong with it', () => {
    expect(ConfigFile.read(undefined, env).contents).toBeNull();
    expect(ConfigFile.read(undefined, { XDG_CONFIG_HOME: '/etc/xdg' }).path).toBe('/etc/xdg/espalier/config.json');
    expect(ConfigFile.read(undefined, { XDG_CONFIG_HOME: 'relative' }).path).toBe(
      join(homedir(), '.config/espalier/config.json'),
    );
    expect(() => ConfigFile.read('/nowhere/config.json', env)).toThrow(UsageError);
    expect(() => ConfigFile.read(configFile('{ url'), env)).toThrow(/no JSON/);
    expect(() => ConfigFile.read(configFile({ ulr: 'http://a' }), env)).toThrow(/ulr/);
    expect(() => ConfigFile.read(configFile({ profiles: { a: { url: 1 } } }), env)).toThrow(/profiles\.a\.url/);
  });

  it('keeps what it does not change when a profile is saved', () => {
    const path = join(folder, 'new', 'config.json');
    const open = (): ConfigFile => ConfigFile.read(path, env, { toWrite: true });
    open().save('default', { url: 'http://a', key: 'a' });
    open().save('b', { url: 'http://b', key: 'b' });
    open().save('default', { url: 'http://c', key: 'c' });
    expect(open().contents).toEqual({ url: 'http://c', key: 'c', profiles: { b: { url: 'http://b', key: 'b' } } });
    expect(open().warnings).toEqual([]);
  });
});
