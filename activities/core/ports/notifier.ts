import type { Call } from './call.js';

/** Tells people. Sending the same `dedupeKey` twice reaches them once. */
export interface Notifier {
  notify(
    event: {
      readonly kind: string;
      readonly model: string;
      readonly text: string;
      readonly link: string;
      readonly dedupeKey: string;
    },
    call: Call
  ): Promise<void>;
}
