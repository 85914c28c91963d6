import { chiSquareSf } from '../distributions/index.js';
import {
  requireArray,
  requireNonNegative,
  requireObject,
  requireSameLength,
  requireSample,
  type Sample,
} from '../input.js';
import { sum } from '../sums.js';
import { requireTotal } from './checks.js';

/** Input of {@link chiSquareContingency}. */
export interface ContingencyInput {
  /** Counts, rows x columns, all rows of the same length; for drift one row per window and one column per category. */
  readonly table: readonly Sample[];
}

/** Output of {@link chiSquareContingency}. */
export interface ContingencyResult {
  /** Pearson's chi-square. */
  readonly statistic: number;
  /** Degrees of freedom of the rows and columns that hold a count. */
  readonly df: number;
  readonly pValue: number;
  /** Cramér's V: sqrt(chi-square / (N min(rows - 1, columns - 1))), 0 (independent) to 1. */
  readonly cramersV: number;
}

/**
 * Pearson's chi-square test of independence, without continuity correction: the sum over cells of (O - E)^2 / E, with
 * E from the pooled margins. Both sides are treated as samples: the one-sample form, which takes the reference as
 * exact, is inflated by (1 + m/n).
 *
 * Rows and columns without any count say nothing and are left out. When fewer than two rows or two columns remain,
 * there is nothing to compare: statistic 0, df 0, pValue 1, cramersV 0. The p-value is an approximation that wants
 * expected counts of 5 or more in most cells.
 *
 * @throws AnalysisInputError for an empty table, rows of different length, NaN, a negative count, or no count at all.
 *
 * @example
 * chiSquareContingency({ table: [[10, 10, 20], [20, 20, 20]] }).pValue; // 0.24935220877729619
 */
export function chiSquareContingency(input: ContingencyInput): ContingencyResult {
  requireObject('input', input);
  const { table } = input;
  const { rowTotals, columnTotals, total } = margins(table);
  const rows = rowTotals.filter((count) => count > 0).length;
  const columns = columnTotals.filter((count) => count > 0).length;
  if (rows < 2 || columns < 2) return { statistic: 0, df: 0, pValue: 1, cramersV: 0 };
  let statistic = 0;
  for (let r = 0; r < table.length; r++) {
    for (let c = 0; c < columnTotals.length; c++) {
      // Divided first: the product of two totals of 1e200 would overflow.
      const expected = (rowTotals[r]! / total) * columnTotals[c]!;
      if (expected === 0) continue;
      const residual = table[r]![c]! - expected;
      statistic += (residual / expected) * residual;
    }
  }
  const df = (rows - 1) * (columns - 1);
  const cramersV = Math.min(1, Math.sqrt(statistic / total / Math.min(rows - 1, columns - 1)));
  return { statistic, df, pValue: chiSquareSf({ x: statistic, df }), cramersV };
}

function margins(table: readonly Sample[]): {
  rowTotals: Float64Array;
  columnTotals: Float64Array;
  total: number;
} {
  requireArray('table', table, 1);
  // By position, not forEach: that would pass over the holes of a sparse array.
  for (const [r, row] of table.entries()) {
    requireSample(`table[${r}]`, row);
    requireSameLength(`table[${r}]`, row, 'table[0]', table[0] as Sample);
  }
  const columnTotals = new Float64Array((table[0] as Sample).length);
  const rowTotals = Float64Array.from(table, (row, r) => {
    row.forEach((count: number, c: number) => {
      requireNonNegative(`table[${r}][${c}]`, count);
      columnTotals[c]! += count;
    });
    return sum(row);
  });
  return { rowTotals, columnTotals, total: requireTotal('table', rowTotals) };
}
