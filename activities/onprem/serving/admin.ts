import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ErrorClass, VersionId } from '@retempo/workflows/contracts';
import type { Changed, Control } from './control.js';
import { isVersionId } from './version-folder.js';

// The admin port: the router's own interface for its site. Loopback only, a token from a file that only the user can read, closed
// lists of routes and keys.

const maxBodyBytes = 64 * 1024;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** An error as the admin port writes it. */
export interface AdminError {
  readonly error: { readonly class: ErrorClass; readonly message: string; readonly retryAfterMs?: number };
}

const statusOf: { readonly [errorClass in ErrorClass]?: number } = {
  InvalidSpec: 400,
  AuthDenied: 401,
  NotFound: 404,
  Conflict: 409,
  QuotaExceeded: 429,
  Throttled: 429,
};

const failure = (errorClass: ErrorClass, message: string, status = statusOf[errorClass] ?? 500): Answer => ({
  status,
  body: { error: { class: errorClass, message } } satisfies AdminError,
});

class BadInput extends Error {}

type Fields = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function fieldsOf(value: unknown, where: string, known: readonly string[]): Fields {
  if (!isObject(value)) throw new BadInput(`${where} must be an object`);
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new BadInput(`${where}: unknown key "${unknown.slice(0, 80)}"; known: ${known.join(', ')}`);
  return value;
}

function textOf(fields: Fields, key: string, pattern = /^[\s\S]{1,512}$/): string {
  const value = fields[key];
  if (typeof value !== 'string' || !pattern.test(value)) throw new BadInput(`${key} is missing or malformed`);
  return value;
}

function versionOf(value: unknown, where: string): VersionId {
  if (!isVersionId(value)) throw new BadInput(`${where} must be a version id (letters, digits, ".", "_", "-")`);
  return value;
}

function wholeOf(fields: Fields, key: string): number {
  const value = fields[key];
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw new BadInput(`${key} must be a whole number, 0 or more`);
  return value as number;
}

function leaseOf(value: unknown): { seconds: number; fallback: VersionId } | undefined {
  if (value === undefined) return undefined;
  const fields = fieldsOf(value, 'lease', ['seconds', 'fallback']);
  const { seconds } = fields;
  if (typeof seconds !== 'number') throw new BadInput('lease.seconds must be a number');
  return { seconds, fallback: versionOf(fields['fallback'], 'lease.fallback') };
}

function listOf<T>(value: unknown, where: string, item: (entry: unknown) => T): readonly T[] {
  if (!Array.isArray(value) || value.length > 10_000) throw new BadInput(`${where} must be an array of at most 10,000`);
  return value.map((entry) => item(entry));
}

function revisionOf(value: unknown): number {
  const digits = typeof value === 'string' ? /^r(\d{1,15})$/.exec(value)?.[1] : undefined;
  if (digits === undefined) throw new BadInput('revisions must be names of revisions, as "r7"');
  return Number(digits);
}

function limitOf(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= 0))
    throw new BadInput('slowOverMs must be a number of milliseconds, 0 or more');
  return value;
}

const changed = ({ refusal, state }: Changed): Answer =>
  refusal === undefined
    ? { status: 200, body: state }
    : { status: statusOf[refusal.class] ?? 500, body: { error: refusal, state } };

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** Keys that each POST of the admin port knows. */
export const adminKeys = {
  '/deploy': ['key', 'version', 'digest', 'filesDigest', 'epoch'],
  '/traffic': ['weights', 'ifRevision', 'epoch', 'lease'],
  '/retire': ['version', 'epoch'],
  '/counts': ['versions', 'revisions', 'slowOverMs'],
  '/flush': [],
} as const;

type Post = (body: unknown, control: Control) => Answer | Promise<Answer>;

const posts: { readonly [path: string]: Post } = {
  '/deploy': (body, control) => {
    const fields = fieldsOf(body, 'deploy', adminKeys['/deploy']);
    return changed(
      control.deploy({
        key: textOf(fields, 'key'),
        version: versionOf(fields['version'], 'version'),
        digest: textOf(fields, 'digest', digestPattern),
        filesDigest: textOf(fields, 'filesDigest', /^[0-9a-f]{64}$/),
        epoch: wholeOf(fields, 'epoch'),
      })
    );
  },
  '/traffic': (body, control) => {
    const fields = fieldsOf(body, 'traffic', adminKeys['/traffic']);
    const { weights } = fields;
    if (!isObject(weights)) throw new BadInput('weights must be an object of version id to whole percent');
    const entries = Object.entries(weights).map(([id, weight]): [VersionId, number] => {
      if (typeof weight !== 'number') throw new BadInput(`the weight of ${id.slice(0, 80)} must be a number`);
      return [versionOf(id, 'a key of weights'), weight];
    });
    return changed(
      control.setTraffic({
        weights: new Map(entries),
        ifRevision: textOf(fields, 'ifRevision'),
        epoch: wholeOf(fields, 'epoch'),
        lease: leaseOf(fields['lease']),
      })
    );
  },
  '/retire': (body, control) => {
    const fields = fieldsOf(body, 'retire', adminKeys['/retire']);
    return changed(
      control.retire({ version: versionOf(fields['version'], 'version'), epoch: wholeOf(fields, 'epoch') })
    );
  },
  '/counts': async (body, control) => {
    const fields = fieldsOf(body, 'counts', adminKeys['/counts']);
    const { revisions } = fields;
    return {
      status: 200,
      body: await control.readArms({
        versions: listOf(fields['versions'], 'versions', (entry) => versionOf(entry, 'versions')),
        revisions: revisions === undefined ? undefined : listOf(revisions, 'revisions', revisionOf),
        slowOverMs: limitOf(fields['slowOverMs']),
      }),
    };
  },
  '/flush': async (body, control) => {
    fieldsOf(body, 'flush', adminKeys['/flush']);
    return { status: 200, body: await control.flushLog() };
  },
} satisfies { readonly [path in keyof typeof adminKeys]: Post };

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new BadInput(`the body is above ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw new BadInput('the body is not JSON');
  }
}

function isAllowed(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '');
  const expected = Buffer.from(`Bearer ${token}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

async function handle(request: IncomingMessage, token: string, control: Control): Promise<Answer> {
  if (!isAllowed(request, token)) {
    return failure('AuthDenied', 'the admin port needs the token from router.json in the state folder of the endpoint');
  }
  const path = request.url ?? '/';
  if (path === '/endpoint') {
    if (request.method !== 'GET') return failure('InvalidSpec', '/endpoint takes GET', 405);
    return { status: 200, body: control.describe() };
  }
  const post = posts[path];
  if (post === undefined) {
    return failure(
      'InvalidSpec',
      `there is no such route; known: GET /endpoint, POST ${Object.keys(posts).join(', ')}`,
      404
    );
  }
  if (request.method !== 'POST') return failure('InvalidSpec', `${path} takes POST`, 405);
  try {
    return await post(await readBody(request), control);
  } catch (error) {
    if (error instanceof BadInput) return failure('InvalidSpec', error.message);
    return failure(
      'ServiceFault',
      `the router could not do it (${(error as Error).message}); read the state back, and see logs/router.log in the folder of the endpoint`
    );
  }
}

interface Admin {
  readonly port: number;
  close(): Promise<void>;
}

/** Opens the admin port on 127.0.0.1. */
export function openAdmin(options: {
  readonly port: number;
  readonly token: string;
  readonly control: Control;
}): Promise<Admin> {
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = await handle(request, options.token, options.control);
    const bytes = Buffer.from(JSON.stringify(body));
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
    response.end(bytes);
  }
  const limits = { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 5_000 };
  const server = createServer(limits, (request, response) => {
    // A caller that went away in the middle of its own request is nobody's fault but its own.
    serve(request, response).catch(() => response.destroy());
  });
  server.maxConnections = 64;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: options.port, host: '127.0.0.1' }, () => {
      const address = server.address();
      resolve({ port: typeof address === 'object' && address !== null ? address.port : options.port, close });
    });
  });
}
