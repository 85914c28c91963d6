import { describe, expect, it } from 'vitest';
import { judgeMetric } from './judge-metric.js';
import { formatNumber } from './judge-metric-reasons.js';
import type { MetricSpec, MetricStep } from './judge-metric-types.js';

const moments = (n: number, mean: number, sd: number) => ({
  n,
  sum: n * mean,
  sumSquares: (n - 1) * sd * sd + n * mean * mean,
});
const step = (candidate: number, champion: number, weight: number): MetricStep => ({
  weight,
  candidate: moments(500, candidate, 1),
  champion: moments(500, champion, 1),
});
const judge = (steps: readonly MetricStep[], spec: MetricSpec) => judgeMetric({ spec, steps, alpha: 0.05 });

/** Edges that the properties leave open. */
describe('judgeMetric, edges', () => {
  it('judges no ratio when the mean of a single step is at or below 0', () => {
    for (const mean of [0, -1]) {
      for (const steps of [
        [step(5, mean, 5), step(5, 5, 10)],
        [step(5, 5, 5), step(5, mean, 10)],
      ]) {
        const { verdict, estimate, reasons } = judge(steps, { safeBelow: 2 });
        expect([verdict, estimate]).toEqual(['inconclusive', null]);
        expect(reasons.join()).toContain("set scale to 'difference'");
      }
    }
  });

  it('knows a mean from its limits before there are data', () => {
    const kinds: [MetricSpec, number | null][] = [
      [{}, 0.01],
      [{ scale: 'difference', safeBelow: 3 }, null],
      [{ tuning: 500, safeBelow: 3 }, null],
    ];
    for (const [spec, ignoreBelow] of kinds) expect(judge([], spec).ignoreBelow).toBe(ignoreBelow);
    expect(judge([], { scale: 'difference' }).verdict).toBe('noData');
  });

  it('takes a limit of 0 and below for a difference, and only there', () => {
    expect(judge([step(1, 5, 5)], { scale: 'difference', worseThan: -1, safeBelow: 0 }).verdict).toBe('pass');
    expect(() => judge([step(1, 5, 5)], { worseThan: -1, safeBelow: 1 })).toThrow('spec.worseThan');
    expect(() => judge([step(1, 5, 5)], { safeBelow: 0 })).toThrow('spec.safeBelow');
  });

  it('writes large numbers of either sign with their digits', () => {
    expect(formatNumber(-1_234)).toBe(`-${formatNumber(1_234)}`);
  });

  it('wants data of the current step alone, and bears a look without anything new', () => {
    const rates = (events: number, trials: number) => ({ events, trials });
    const none = { weight: 5, candidate: rates(0, 0), champion: rates(0, 0) };
    const good = { weight: 10, candidate: rates(30, 3_000), champion: rates(600, 57_000) };
    const first = judge([none, good], {});
    expect(first.verdict).toBe('pass');
    expect(judge([good, none], {}).verdict).toBe('noData');
    expect(judgeMetric({ spec: {}, steps: [none, good], alpha: 0.05, previous: first.state }).verdict).toBe('pass');
  });

  it('names the unit of a difference where it has one', () => {
    const spec: MetricSpec = { scale: 'difference', safeBelow: 3 };
    expect(judge([step(1, 1, 5)], spec).reasons.join()).not.toMatch(/ {2}| :/);
    expect(judge([step(1, 1, 5)], { ...spec, valueUnit: 'ms' }).reasons.join()).toContain('ms');
  });
});
