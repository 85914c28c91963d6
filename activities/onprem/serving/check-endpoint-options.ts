import type { EndpointOptions } from './layout.js';

type Check = { readonly expected: string; readonly holds: (value: unknown) => boolean };

const isPort = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535;
const wholeWithin = (low: number, high: number): Check => ({
  expected: `a whole number from ${low} to ${high}`,
  holds: (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
});
const port: Check = { expected: 'a port from 0 to 65535 (0: any free one)', holds: isPort };

function isStickiness(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const entries = Object.entries(value);
  if (entries.length !== 1) return false;
  const [key, chosen] = entries[0] ?? [];
  if (key === 'by') return chosen === 'id';
  return key === 'header' && typeof chosen === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(chosen);
}

const checks: { readonly [key in keyof Required<EndpointOptions>]: Check } = {
  dataPort: port,
  adminPort: port,
  stickiness: { expected: '{ header: <header name> } or { by: id }', holds: isStickiness },
  requestTimeoutMs: wholeWithin(1, 600_000),
  logRotateBytes: wholeWithin(1, 2 ** 40),
  logKeepBytes: wholeWithin(1, 2 ** 50),
};

/** Names of all options. */
export const endpointOptionNames: readonly string[] = Object.keys(checks);

/** Everything that is wrong with one endpoint's options, as path and sentence; an empty list means nothing. */
export function checkEndpointOptions(
  options: unknown
): readonly { readonly path: readonly string[]; readonly message: string }[] {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return [{ path: [], message: 'expected a map of options' }];
  }
  return Object.entries(options).flatMap(([key, value]) => {
    const check = Object.hasOwn(checks, key) ? checks[key as keyof EndpointOptions] : undefined;
    if (check === undefined) return [{ path: [key], message: `unknown key; known: ${endpointOptionNames.join(', ')}` }];
    if (value === undefined || check.holds(value)) return [];
    return [{ path: [key], message: `expected ${check.expected}, got ${JSON.stringify(value)?.slice(0, 80)}` }];
  });
}
