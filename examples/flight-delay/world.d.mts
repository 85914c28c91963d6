/** One prediction request, and what really happened. */
export interface Request {
  readonly id: string;
  readonly body: { readonly id: string; readonly inputs: readonly unknown[] };
  readonly late: boolean;
  readonly departedAt: Date;
}

export interface World {
  advanceTo(week: number): Promise<{ readonly rows: number; readonly labelled: number }>;
  requestsOf(week: number, options?: { readonly limit?: number }): AsyncGenerator<Request>;
  endOf(week: number): Date;
  close(): void;
}

export function createWorld(options: {
  readonly folder: string;
  readonly sampleEvery?: number;
  readonly peekMinutes?: number;
}): Promise<World>;
