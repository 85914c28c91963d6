import { Agent, request } from 'node:http';

/** What callers of an endpoint have seen. */
export interface RequestCounts {
  readonly sent: number;
  readonly answered: number;
  /** Answered with 5xx. */
  readonly failed: number;
  /** Requests that nobody answered. */
  readonly lost: number;
}

export interface Requests {
  readonly counts: RequestCounts;
  stop(): Promise<RequestCounts>;
}

const lanes = 3;
const pauseMs = 12;

/** Sends requests of one number each, a few hundred a second, until stopped. */
export function startRequests(url: string, model: string): Requests {
  const agent = new Agent({ keepAlive: true, maxSockets: lanes });
  const counts = { sent: 0, answered: 0, failed: 0, lost: 0 };
  const stopping = new AbortController();
  const send = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const sent = request(`${url}/v2/models/${model}/infer`, { method: 'POST', agent, headers }, (answer) => {
        answer.resume();
        answer.on('error', () => undefined);
        answer.on('end', () => {
          counts.answered++;
          if ((answer.statusCode ?? 0) >= 500) counts.failed++;
        });
        answer.on('close', resolve);
      });
      sent.on('error', () => {
        counts.lost++;
        resolve();
      });
      sent.end(text);
    });
  const lane = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const n = counts.sent++;
      const inputs = [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [(n % 100) / 100] }];
      await send(JSON.stringify({ id: `q${n}`, inputs }));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const done = Promise.all(Array.from({ length: lanes }, lane));
  return {
    counts,
    async stop() {
      stopping.abort();
      await done;
      agent.destroy();
      return counts;
    },
  };
}
