import { describe, expect, it } from '@jest/globals';
import { hashOf, newKey, prefixOf } from '../../../src/access/api-key.js';
import { mayUse } from '../../../src/access/scope.js';
import { ALL_SCOPES, type Scope } from '../../../src/access/scopes.js';

describe('keys', () => {
  it('have a prefix that finds them and a hash that proves them', () => {
    const { text, prefix, hash } = newKey();
    expect(prefixOf(text)).toBe(prefix);
    expect(hashOf(text).toString('hex')).toBe(hash);
    expect(text).toMatch(/^esp_[0-9a-f]{12}_[\w-]{43}$/);
    expect(newKey().text).not.toBe(text);
  });

  it.each(['', 'esp_', 'sk-1234', 'esp_0123456789ab_short', ` ${newKey().text}`, `${newKey().text}x`])(
    'does not take %p for one',
    (text) => expect(prefixOf(text)).toBeNull(),
  );
});

describe('scopes', () => {
  const caller = (...scopes: Scope[]) => ({
    keyId: 'k',
    keyName: 'k',
    scopes,
    subtree: null,
    limits: { requestsPerMinute: null, tokensPerMinute: null },
  });

  it('grant themselves, admin everything, and write and promote reading', () => {
    const granted = (held: Scope) => ALL_SCOPES.filter((s) => mayUse(caller(held), [s]));
    expect(granted('infer')).toEqual(['infer']);
    expect(granted('read')).toEqual(['read']);
    expect(granted('write')).toEqual(['read', 'write']);
    expect(granted('promote')).toEqual(['read', 'promote']);
    expect(granted('metrics')).toEqual(['metrics']);
    expect(granted('admin')).toEqual([...ALL_SCOPES]);
  });

  it('suffice when one of several does', () => {
    expect(mayUse(caller('infer'), ['read', 'infer'])).toBe(true);
    expect(mayUse(caller(), ['read', 'infer'])).toBe(false);
  });
});
