import { sleep } from '@temporalio/workflow';

/** Waits on one durable timer, then answers with what it was given. */
export async function waitThenAnswer(input: { readonly waitMs: number; readonly answer: string }): Promise<string> {
  await sleep(input.waitMs, { summary: `wait ${input.waitMs} ms` });
  return `${input.answer} after ${input.waitMs}`;
}
