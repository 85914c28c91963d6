import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { dueWindows } from './due-windows.js';
import { dataSpec, DAY_MS, PLAIN_COLUMNS, plainRows, temporaryFolder, writeRows } from './support.test.util.js';

const folder = temporaryFolder();
// Events until 2001-01-20 18:00; labels two days later.
const rows = plainRows({ start: '2000-12-22T00:00:00Z', days: 30, perDay: 4 });
const source = await writeRows(join(folder, 'a.parquet'), PLAIN_COLUMNS, rows);
const data = dataSpec(source);
const watch = { everyMs: 7 * DAY_MS };

describe('dueWindows', () => {
  it('counts windows from the first one, across the year end, up to the event time', async () => {
    const found = await dueWindows({ data, watch, reportedTo: null, firstFrom: '2000-12-28T00:00:00Z' });
    expect(found).toEqual({
      watermark: '2001-01-20T18:00:00.000Z',
      more: false,
      windows: [
        { from: '2000-12-28T00:00:00.000Z', to: '2001-01-04T00:00:00.000Z', labelled: true },
        { from: '2001-01-04T00:00:00.000Z', to: '2001-01-11T00:00:00.000Z', labelled: true },
        { from: '2001-01-11T00:00:00.000Z', to: '2001-01-18T00:00:00.000Z', labelled: true },
      ],
    });
  });

  it('goes on from the last reported end, and knows when labels are not complete', async () => {
    const found = await dueWindows({
      data,
      watch: { everyMs: DAY_MS },
      reportedTo: '2001-01-17T18:00:00Z',
      firstFrom: '2000-01-01T00:00:00Z',
    });
    expect(found.windows.map((window) => [window.to.slice(0, 13), window.labelled])).toEqual([
      ['2001-01-18T18', true],
      ['2001-01-19T18', false],
      ['2001-01-20T18', false],
    ]);
    const none = await dueWindows({ data, watch, reportedTo: '2001-01-18T00:00:00Z', firstFrom: '' });
    expect(none.windows).toEqual([]);
    const future = await dueWindows({ data, watch, reportedTo: '2031-01-18T00:00:00Z', firstFrom: '' });
    expect(future.windows).toEqual([]);
  });

  it('is bounded and says that there is more', async () => {
    const every = { everyMs: 3_600_000 };
    const input = { data, watch: every, reportedTo: null, firstFrom: '1990-01-01T00:00:00Z' };
    const found = await dueWindows(input);
    expect(found.windows).toHaveLength(100);
    expect(found.more).toBe(true);
    expect((await dueWindows({ ...input, atMost: 2 })).windows.at(-1)!.to).toBe('1990-01-01T02:00:00.000Z');
  });

  it('refuses a period that is none and times that are none', async () => {
    const firstFrom = '2000-12-28T00:00:00Z';
    await expect(dueWindows({ data, watch: { everyMs: 0 }, reportedTo: null, firstFrom })).rejects.toThrow(
      '0 ms is not a period'
    );
    const unknown = dataSpec(source, { time: 'att', key: 'x' });
    await expect(dueWindows({ data: unknown, watch, reportedTo: null, firstFrom })).rejects.toThrow(
      /^data\.time: .*did you mean `at`\?\); data\.key: `x` has type DOUBLE; a key must be text or a whole number$/
    );
    await expect(dueWindows({ data, watch, reportedTo: 'x', firstFrom })).rejects.toMatchObject({
      class: 'InvalidSpec',
    });
    await expect(
      dueWindows({ data: dataSpec(join(folder, 'none.parquet')), watch, reportedTo: null, firstFrom })
    ).rejects.toMatchObject({ class: 'NotFound' });
  });
});
