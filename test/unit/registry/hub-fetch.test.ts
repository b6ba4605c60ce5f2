import { readConfig } from '../../../src/config.js';
import { mayAsk } from '../../../src/registry/exchange/hub-fetch.js';

describe('the hub may send us on', () => {
  const { hub } = readConfig({});
  const may = (url: string, of = hub) => of !== null && mayAsk(of, new URL(url));

  test.each([
    ['https://huggingface.co/api/models/x', true],
    ['https://cdn-lfs.huggingface.co/x', true],
    ['https://cas-bridge.xethub.hf.co/x?signature=y', true],
    ['http://huggingface.co/x', false],
    ['https://huggingface.co:8443/x', false],
    ['https://cdn.hf.co:8443/x', false],
    ['http://cdn.hf.co/x', false],
    ['https://evil-hf.co/x', false],
    ['https://hf.co.example.org/x', false],
    ['https://example.org/.hf.co', false],
    ['https://hf.co@example.org/', false],
    ['http://169.254.169.254/latest', false],
    ['file:///etc/passwd', false],
  ])('to %s: %s', (url, allowed) => {
    expect(may(url)).toBe(allowed);
  });

  test('from a mirror, to itself and what is named', () => {
    const { hub: mirror } = readConfig({
      ESPALIER_HUB_URL: 'http://10.0.0.1:8080/hf/',
      ESPALIER_HUB_CDNS: 'https://files.example.org, https://*.cdn.example.org',
    });
    expect(mirror?.url).toBe('http://10.0.0.1:8080/hf');
    expect(may('http://10.0.0.1:8080/x', mirror)).toBe(true);
    expect(may('http://10.0.0.1:9090/x', mirror)).toBe(false);
    expect(may('https://files.example.org/x', mirror)).toBe(true);
    expect(may('https://a.cdn.example.org/x', mirror)).toBe(true);
    expect(may('https://cdn-lfs.huggingface.co/x', mirror)).toBe(false);
  });

  test.each([
    [{ ESPALIER_HUB_URL: 'huggingface.co' }],
    [{ ESPALIER_HUB_URL: 'ftp://huggingface.co' }],
    [{ ESPALIER_HUB_URL: 'https://user:password@huggingface.co' }],
    [{ ESPALIER_HUB_CDNS: 'https://cdn.example.org/path' }],
    [{ ESPALIER_HUB_CDNS: '*' }],
  ])('by no configuration like %j', (env) => {
    expect(() => readConfig(env)).toThrow('ESPALIER_HUB');
  });

  test('nowhere, where it is off', () => {
    expect(readConfig({ ESPALIER_HUB_URL: 'off' }).hub).toBeNull();
  });
});
