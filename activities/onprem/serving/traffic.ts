import type { VersionId } from '@retempo/workflows/contracts';
import type { Counters } from './counters.js';
import { revisionName, type EndpointRecord } from './endpoint-record.js';
import type { Respond } from './front.js';
import type { RequestHead } from './http-wire.js';
import type { EndpointOptions } from './layout.js';
import type { RequestLog } from './request-log.js';
import { splitCycle, stickyIndex, type Share } from './split.js';
import type { UnitCounts } from './unit-counts.js';
import type { Upstream, UpstreamOutcome } from './upstream.js';

// What happens to one inference request: pick a version, pass the body on as it is, count what came of it, log it. A request that
// failed is told as failed; it is never tried on another version, because that would hide a bad one.

const longestKey = 1_024;
const failureStatus = { refused: 503, broken: 502, timeout: 504 } as const;

/** Splits requests by the weights of the latest record it was given. */
export interface Traffic {
  /** Applies new weights; requests on the way stay with the version and revision they were given to. */
  apply(record: EndpointRecord): void;
  infer(head: RequestHead, body: Buffer, respond: Respond): void;
}

interface Routing {
  readonly revision: number;
  /** Versions with weight, newest first. */
  readonly shares: readonly Share[];
  readonly cycle: Uint8Array;
  readonly salt: string;
  position: number;
}

/** Body of an error answer, in the shape of the Open Inference Protocol. */
export const errorBody = (message: string): Buffer => Buffer.from(JSON.stringify({ error: message }));

const parsed = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
};

function idOf(message: unknown): string | null {
  const id = typeof message === 'object' && message !== null && 'id' in message ? message.id : null;
  return typeof id === 'string' && id.length <= longestKey ? id : null;
}

/** First number of the output named `probability`, or of the first output; null when there is none. */
function predictionOf(message: unknown): number | null {
  const outputs = (message as { outputs?: unknown } | undefined)?.outputs;
  if (!Array.isArray(outputs)) return null;
  const tensors = outputs as ({ name?: unknown; data?: unknown } | null)[];
  let value: unknown = (tensors.find((output) => output?.name === 'probability') ?? tensors[0])?.data;
  while (Array.isArray(value)) value = value[0] as unknown;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function routingOf(record: EndpointRecord, position: number): Routing {
  const weighted = record.versions.filter(({ weight }) => weight > 0).sort((a, b) => b.order - a.order);
  const shares = weighted.map(({ id, weight }) => ({ version: id, weight }));
  return {
    revision: record.revision,
    shares,
    cycle: shares.length === 0 ? new Uint8Array(0) : splitCycle(shares),
    salt: weighted[0]?.deployKey ?? '',
    position,
  };
}

/** Opens the traffic of one endpoint. */
export function openTraffic(options: {
  readonly endpoint: string;
  readonly stickiness: EndpointOptions['stickiness'];
  readonly requestTimeoutMs: number;
  readonly counters: Counters;
  /** Units of a sticky endpoint; requests without a unit are assigned on their own and are not counted there. */
  readonly units: Pick<UnitCounts, 'add'>;
  readonly log: RequestLog;
  readonly upstreamOf: (version: VersionId) => Upstream | undefined;
  /** Called before each pick with the time, so that a lease ends on time whatever the timers do. */
  readonly beforePick: (nowMs: number) => void;
}): Traffic {
  const { endpoint, stickiness, counters, log } = options;
  const byHeader = stickiness !== undefined && 'header' in stickiness;
  const byId = stickiness !== undefined && 'by' in stickiness;
  const requestStart = `POST /v2/models/${endpoint}/infer HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: `;
  let routing: Routing | undefined;

  function pick(now: Routing, key: string | null | undefined): Share | undefined {
    if (key !== null && key !== undefined) return now.shares[stickyIndex(now.shares, now.salt, key)];
    const index = now.cycle[now.position % 100];
    now.position += 1;
    return index === undefined ? undefined : now.shares[index];
  }

  function encode(body: Buffer): Buffer {
    const head = `${requestStart}${body.length}\r\n\r\n`;
    const bytes = Buffer.allocUnsafe(head.length + body.length);
    bytes.write(head, 0, 'latin1');
    body.copy(bytes, head.length);
    return bytes;
  }

  return {
    apply: (record) => {
      const isSame = routing?.revision === record.revision;
      const position = isSame ? (routing?.position ?? 0) : counters.total(record.revision);
      routing = routingOf(record, position);
    },
    infer: (head, body, respond) => {
      const atMs = Date.now();
      options.beforePick(atMs);
      const now = routing;
      const request = byId ? parsed(body) : undefined;
      const key = byHeader ? head.wanted : byId ? idOf(request) : undefined;
      const share = now === undefined ? undefined : pick(now, key);
      if (now === undefined || share === undefined) {
        return respond(
          503,
          errorBody(`endpoint ${endpoint} has no version with traffic; deploy one and set its traffic`)
        );
      }
      const { version } = share;
      const { revision } = now;
      const startedMs = performance.now();

      const finish = (outcome: UpstreamOutcome): void => {
        const latencyMs = performance.now() - startedMs;
        const answered = outcome.kind === 'response';
        const status = answered ? outcome.status : failureStatus[outcome.kind];
        const answer = answered ? outcome.body : errorBody(`version ${version}: ${outcome.message}`);
        respond(status, answer, `x-retempo-version: ${version}\r\nx-retempo-revision: ${revisionName(revision)}\r\n`);
        const response = answered ? parsed(outcome.body) : undefined;
        const prediction = status === 200 ? predictionOf(response) : null;
        counters.add(revision, version, { status, latencyMs, prediction });
        if (key !== null && key !== undefined) options.units.add(revision, version, key);
        const id = idOf(response) ?? idOf(request ?? parsed(body));
        log.add({ key: id, version, revision: revisionName(revision), atMs, status, prediction });
      };

      const upstream = options.upstreamOf(version);
      if (upstream === undefined)
        finish({ kind: 'refused', message: 'its model server is not running; it is being restarted' });
      else upstream.send(encode(body), atMs + options.requestTimeoutMs, finish);
    },
  };
}
