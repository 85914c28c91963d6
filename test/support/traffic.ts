import { Agent, request } from 'node:http';

export interface TrafficCounts {
  readonly sent: number;
  readonly answered: number;
  /** Answered with 5xx. */
  readonly failed: number;
  /** Connection errors: requests nobody answered. */
  readonly lost: number;
}

/** Sends the bodies again and again, four at a time, until stopped; `headersOf` adds headers to the n-th request. */
export function startTraffic(
  url: string,
  model: string,
  bodies: readonly { readonly id: string }[],
  headersOf: (n: number) => { readonly [name: string]: string } = () => ({})
) {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const counts = { sent: 0, answered: 0, failed: 0, lost: 0 };
  const state = { on: true };
  const send = (body: object, more: { readonly [name: string]: string }) =>
    new Promise<void>((resolve) => {
      const text = JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...more };
      const sent = request(`${url}/v2/models/${model}/infer`, { method: 'POST', agent, headers }, (answer) => {
        answer.resume();
        answer.on('end', () => {
          counts.answered++;
          if ((answer.statusCode ?? 0) >= 500) counts.failed++;
          resolve();
        });
      });
      sent.on('error', () => {
        counts.lost++;
        resolve();
      });
      sent.end(text);
    });
  const lane = async () => {
    while (state.on) {
      const body = bodies[counts.sent % bodies.length]!;
      const n = counts.sent++;
      await send({ ...body, id: `${body.id}/${n}` }, headersOf(n));
    }
  };
  const done = Promise.all(Array.from({ length: 4 }, lane));
  return {
    counts: counts as TrafficCounts,
    async stop(): Promise<TrafficCounts> {
      state.on = false;
      await done;
      agent.destroy();
      return counts;
    },
  };
}
