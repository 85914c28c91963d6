import { z } from 'zod';
import { isSiteId } from '@retempo/workflows/contracts';
import { duration, field, list, section, slug, text, whole, word } from './fields.js';
import { leaves, readLocation } from './paths.js';
import { FieldProblem } from './units.js';

const second = 1_000;
/** Node's timers end at 24.8 days: a longer one would be over at once. */
const day = 86_400_000;

/** `secret:<name>`: the value is looked up where it is needed and never stored. */
const secretReference: z.ZodType<string> = field(
  { type: 'string', pattern: '^secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$' },
  (value) => {
    if (typeof value === 'string' && /^secret:[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(value)) return value;
    throw new FieldProblem('expected a reference such as secret:my-key, never the secret itself');
  },
  { secret: true }
);

const address: z.ZodType<string> = field({ type: 'string', examples: ['127.0.0.1:7233'] }, (value) => {
  const expected = 'expected host:port, such as 127.0.0.1:7233';
  const [, host, port] =
    typeof value === 'string' ? (/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/.exec(value) ?? []) : [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new FieldProblem(
      expected,
      typeof value === 'string' && value.includes('://') ? 'write it without http:// and the like' : undefined
    );
  }
  return value as string;
});

const pattern: z.ZodType<string> = field({ type: 'string', examples: ['models/*.yaml'] }, (value) => {
  const expected = 'expected a file pattern inside the project folder, such as models/*.yaml';
  if (typeof value !== 'string' || value.trim() === '' || value.length > 256 || /[\p{Cc}\\]/u.test(value)) {
    throw new FieldProblem(expected);
  }
  if (value.startsWith('/') || leaves(value)) throw new FieldProblem(expected);
  return value;
});

const location = (what: string): z.ZodType<string> =>
  field({ type: 'string' }, (value) => readLocation(value, { what, glob: false }));

const siteName: z.ZodType<string> = field({ type: 'string' }, (value) => {
  if (typeof value === 'string' && isSiteId(value)) return value;
  throw new FieldProblem(
    'expected a site name <provider>.<name>, such as onprem.local, in lower-case letters, digits and -'
  );
});

/** Keys of `retempo.yaml`. Every key is optional. */
export const configShape = {
  /** Folder of everything Retempo keeps on this machine. */
  state: location('a folder').optional(),
  temporal: section({
    address: address.optional(),
    namespace: text({ what: 'the name of a Temporal namespace', max: 255 }).optional(),
    apiKey: secretReference.optional(),
    tls: section({
      serverName: text({ what: 'a host name', max: 253 }).optional(),
      serverCa: secretReference.optional(),
      clientCert: secretReference.optional(),
      clientKey: secretReference.optional(),
    }).optional(),
  }).optional(),
  artifacts: location('a folder or a file: address').optional(),
  owner: slug('the name of this installation').optional(),
  /** What stands in a site's entry is checked by its provider. */
  sites: z.record(siteName, z.unknown()).optional(),
  endpoints: z
    .record(slug('the name of an endpoint'), section({ site: text({ what: 'the name of a site', max: 127 }) }))
    .optional(),
  models: z.union([pattern, list(pattern, { min: 1, max: 100 })]).optional(),
  code: section({
    include: list(pattern, { max: 200 }).optional(),
    exclude: list(pattern, { max: 200 }).optional(),
  }).optional(),
  metrics: z.union([word(['none']), section({ port: whole({ min: 0, max: 65_535 }) })]).optional(),
  limits: section({
    heartbeat: duration({ minMs: second, maxMs: day }).optional(),
    noWorkerAfter: duration({ minMs: second }).optional(),
    capacityAfter: duration({ minMs: second }).optional(),
    drain: duration({ maxMs: day }).optional(),
    stickyTimeout: duration({ minMs: second, maxMs: day }).optional(),
    cachedWorkflows: whole({ min: 0, max: 100_000 }).optional(),
  }).optional(),
} as const;

/** Schema of `retempo.yaml`. */
export const configSchema = section(configShape);

/** A pattern of program files, shared with model files. */
export { pattern as filePattern };
