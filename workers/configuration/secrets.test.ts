import { describe, expect, it } from 'vitest';
import { inlineSecrets, plainEnvironmentSecrets } from './secrets.js';

// Put together here, so that no scanner of repositories takes them for real ones.
const hex = (length: number): string => 'a1'.repeat(length / 2);
const secrets: readonly (readonly [string, string])[] = [
  ['an AWS access key', `AKIA${'A'.repeat(16)}`],
  ['an AWS access key', `ASIA${'7'.repeat(16)}`],
  ['a GitHub token', `ghp_${hex(36)}`],
  ['a Slack token', `xoxb-${'1'.repeat(10)}`],
  ['a Google API key', `AIza${'x'.repeat(35)}`],
  ['a Databricks token', `dapi${hex(32)}`],
  ['a private key', ['-----BEGIN RSA', 'PRIVATE KEY-----'].join(' ')],
  ['a JSON web token', `eyJ${'a'.repeat(10)}.eyJ${'b'.repeat(10)}.c`],
  ['a password in an address', ['postgres://ann', 'pw@host/db'].join(':')],
];

describe('inlineSecrets', () => {
  it.each(secrets)('tells %s wherever it stands, and does not repeat it', (what, secret) => {
    const found = inlineSecrets({ a: [1, null, { b: `x ${secret} y` }], c: secret, d: 'secret:mine', e: true });
    expect(found.map(({ path, message }) => [path, message])).toEqual([
      [['a', 2, 'b'], `this looks like ${what}`],
      [['c'], `this looks like ${what}`],
    ]);
    expect(JSON.stringify(found)).not.toContain(secret);
  });

  it('takes nothing else for one', () => {
    const harmless = ['https://host/a:b@c', 'train at 12:30', 'sha256:abc', hex(64), 'AKIA', 'me@host', 'a://b'];
    expect(inlineSecrets({ harmless })).toEqual([]);
  });
});

describe('plainEnvironmentSecrets', () => {
  it('tells what sounds secret and is no reference', () => {
    const names = ['API_KEY', 'dbPassword', 'TOKEN', 'my.secret', 'aws-credentials', 'GH_PAT'];
    const env = Object.fromEntries(names.map((name) => [name, 'hidden']));
    const found = plainEnvironmentSecrets(env, ['train', 'env']);
    expect(found.map(({ path }) => path)).toEqual(names.map((name) => ['train', 'env', name]));
    expect(JSON.stringify(found)).not.toContain('hidden');
  });

  it.each([
    { API_KEY: 'secret:mine' },
    { API_KEY: 5 },
    { KEYBOARD: 'x', MAX_TOKENS: 'y', PATH: '/bin', keyed: 'z' },
    null,
    'TOKEN',
    undefined,
  ])('takes %j', (env) => {
    expect(plainEnvironmentSecrets(env, [])).toEqual([]);
  });
});
