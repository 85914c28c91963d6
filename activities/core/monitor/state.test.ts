import { expect, it } from 'vitest';
import { freshMonitor, type MonitorState } from './state.js';

it('a new champion begins without evidence, on the windows that follow; what is to be delivered or done once stays', () => {
  const before: MonitorState = {
    v: 1,
    champion: 'v1-00000000',
    featuresTo: '2026-01-03T00:00:00.000Z',
    labelsTo: '2026-01-01T00:00:00.000Z',
    detector: {} as NonNullable<MonitorState['detector']>,
    history: [{}],
    undelivered: [{ windowId: 'w' } as MonitorState['undelivered'][number]],
    resetBy: 'retempo/m/run/1-00000000',
  };
  const { featuresTo, labelsTo, undelivered, resetBy } = before;
  expect(freshMonitor('v2-00000000', before)).toEqual({
    v: 1,
    champion: 'v2-00000000',
    featuresTo,
    labelsTo,
    detector: null,
    history: [],
    undelivered,
    resetBy,
  });
});

it('a first champion begins with nothing, and says so where JSON keeps it', () => {
  const nothing = { featuresTo: null, labelsTo: null, detector: null, history: [], undelivered: [], resetBy: null };
  expect(freshMonitor('v1-00000000', null)).toStrictEqual({ v: 1, champion: 'v1-00000000', ...nothing });
});
