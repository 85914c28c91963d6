// The callers of the model: flights of a week as requests, in order, through the router.
import { Agent, request } from 'node:http';

/**
 * @param {{ url: () => Promise<string>, model: string }} options
 */
export function createTraffic({ url, model }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const counts = { sent: 0, answered: 0, failed: 0, lost: 0 };
  /** @type {{ stop: () => Promise<void> } | null} */
  let pump = null;

  /** @param {string} base @param {unknown} body @returns {Promise<void>} */
  const send = (base, body) =>
    new Promise((resolve) => {
      counts.sent += 1;
      const text = JSON.stringify(body);
      const sent = request(`${base}/v2/models/${model}/infer`, {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      });
      sent.on('response', (answer) => {
        answer.resume();
        answer.on('end', () => {
          counts.answered += 1;
          if ((answer.statusCode ?? 0) >= 500) counts.failed += 1;
          resolve();
        });
        answer.on('error', () => {
          counts.lost += 1;
          resolve();
        });
      });
      sent.on('error', () => {
        counts.lost += 1;
        resolve();
      });
      sent.end(text);
    });

  /** @param {AsyncIterable<unknown> | Iterable<unknown>} bodies @param {() => boolean} goesOn @param {number} lanes */
  const sendAll = async (bodies, goesOn, lanes) => {
    const base = await url();
    const iterator = Symbol.asyncIterator in bodies ? bodies[Symbol.asyncIterator]() : bodies[Symbol.iterator]();
    const lane = async () => {
      while (goesOn()) {
        const next = await iterator.next();
        if (next.done === true) return;
        await send(base, next.value);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  };

  return {
    counts,
    /** Sends every body once. @param {AsyncIterable<unknown>} bodies */
    send: (bodies) => sendAll(bodies, () => true, 8),
    /**
     * Goes on sending until `stop`: the same flights again and again, under ids of their own.
     * @param {{ id: string, inputs: unknown }[]} bodies
     */
    start(bodies) {
      const state = { on: true };
      function* forever() {
        for (let round = 0; state.on; round += 1) {
          for (const body of bodies) yield { ...body, id: `${body.id}/again-${round}-${Math.floor(counts.sent)}` };
        }
      }
      const done = sendAll(forever(), () => state.on, 6);
      pump = {
        async stop() {
          state.on = false;
          await done;
          pump = null;
        },
      };
    },
    async stop() {
      await pump?.stop();
    },
    close: () => agent.destroy(),
  };
}

/** @typedef {ReturnType<typeof createTraffic>} Traffic */
