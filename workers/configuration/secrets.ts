import type { FoundProblem } from './problems.js';

const telling = new Set(['TOKEN', 'KEY', 'APIKEY', 'PASSWORD', 'PASSWD', 'SECRET', 'CREDENTIAL', 'CREDENTIALS', 'PAT']);

/** True for names such as `API_KEY`, `dbPassword`; not for `KEYBOARD` or `MAX_TOKENS`. */
const soundsSecret = (name: string): boolean =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .split(/[_.-]/)
    .some((part) => telling.has(part.toUpperCase()));

/** Shapes of secrets that vendors give out. */
const shapes: readonly { readonly what: string; readonly shape: RegExp }[] = [
  { what: 'an AWS access key', shape: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/ },
  { what: 'a GitHub token', shape: /\bgh[pousr]_[A-Za-z0-9]{36}/ },
  { what: 'a Slack token', shape: /\bxox[abprs]-[A-Za-z0-9-]{10}/ },
  { what: 'a Google API key', shape: /\bAIza[0-9A-Za-z_-]{35}/ },
  { what: 'a Databricks token', shape: /\bdapi[0-9a-f]{32}/ },
  { what: 'a private key', shape: /-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----/ },
  { what: 'a JSON web token', shape: /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\./ },
  { what: 'a password in an address', shape: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@]{1,256}:[^\s/@]{1,256}@/i },
];

const instead = 'store it outside this file and write secret:<name>';

/** Secrets that stand in a file as they are. The messages never repeat them. */
export function inlineSecrets(value: unknown): readonly FoundProblem[] {
  const found: FoundProblem[] = [];
  const walk = (part: unknown, path: readonly (string | number)[]): void => {
    if (typeof part === 'string') {
      const match = shapes.find(({ shape }) => shape.test(part));
      if (match !== undefined) found.push({ path, message: `this looks like ${match.what}`, suggestion: instead });
    } else if (Array.isArray(part)) part.forEach((inner, index) => walk(inner, [...path, index]));
    else if (typeof part === 'object' && part !== null) {
      for (const [name, inner] of Object.entries(part)) walk(inner, [...path, name]);
    }
  };
  walk(value, []);
  return found;
}

/** Values of `env` whose names say that they are secret, but which are no references. */
export function plainEnvironmentSecrets(env: unknown, at: readonly (string | number)[]): readonly FoundProblem[] {
  if (typeof env !== 'object' || env === null) return [];
  return Object.entries(env)
    .filter(([name, value]) => typeof value === 'string' && soundsSecret(name) && !value.startsWith('secret:'))
    .map(([name]) => ({
      path: [...at, name],
      message: 'expected a reference such as secret:my-key, because the name says that it is a secret',
      suggestion: instead,
    }));
}
