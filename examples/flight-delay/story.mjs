// What these data do to a model, without any tool around it: node story.mjs
//
// The champion learns from weeks 0-3 and never again. At the end of week w the labels of week w-1 have arrived: a
// candidate learns from weeks w-5..w-2, and both predict week w-1. Intervals are 95 %, once as if every flight were
// independent, once with days as the independent units (bad weather delays whole days).
import { fileURLToPath } from 'node:url';
import { createTraining, predict } from './lib/fit.js';
import { busiestAirports } from './lib/onnx.js';
import { defaults } from './lib/parameters.js';
import { seededRandom, shuffle } from './lib/random.js';
import { labelled, readRows, toFlights } from './lib/table.js';
import { byWeek } from './lib/weeks.js';

const folder = fileURLToPath(new URL('data', import.meta.url));
const weeks = byWeek(await readRows(folder, ['departedAt', 'late']));
const known = busiestAirports(toFlights(weeks.slice(0, 4).flat()), 0.05);
const champion = train(weeks.slice(0, 4));

const columns = ['week w', 'rows', 'late', 'strangers', 'loss', 'AUC', ''];
line(...columns, 'compared', 'champion', 'candidate', 'difference', 'by flight', 'by day', 'AUC');
for (const [w, week] of weeks.entries()) {
  line(
    String(w),
    String(week.length),
    percent(late(week)),
    percent(strangers(week)),
    mean(losses(champion, week)).toFixed(4),
    auc(champion, week).toFixed(3),
    '',
    ...(w < 5 ? [] : comparison(w - 1, train(weeks.slice(w - 5, w - 1))))
  );
}

line();
line('A candidate from shuffled labels of weeks 0-3:');
for (const w of [4, 15, 19])
  line(...columns.map(() => ''), ...comparison(w, train(weeks.slice(0, 4), { shuffled: true })));

/**
 * @param {Record<string, unknown>[][]} on
 * @param {{ shuffled?: boolean }} [options]
 */
function train(on, { shuffled = false } = {}) {
  const { rows, labels } = labelled(on.flat(), 'late');
  if (shuffled) shuffle(labels, seededRandom(defaults.seed));
  const training = createTraining(toFlights(rows), labels, defaults);
  for (let epoch = 0; epoch < defaults.epochs; epoch += 1) training.runEpoch(epoch);
  return training.model();
}

/**
 * @param {number} w Week to compare on.
 * @param {import('./lib/fit.js').Model} candidate
 */
function comparison(w, candidate) {
  const week = weeks[w] ?? [];
  const [ours, theirs] = [losses(candidate, week), losses(champion, week)];
  const differences = ours.map((loss, row) => loss - (theirs[row] ?? 0));
  const days = week.map((row) => /** @type {Date} */ (row['departedAt']).getUTCDate());
  return [
    `week ${w}`,
    mean(theirs).toFixed(4),
    mean(ours).toFixed(4),
    signed(mean(differences)),
    `± ${(1.96 * clusteredError(differences, [...differences.keys()])).toFixed(4)}`,
    `± ${(1.96 * clusteredError(differences, days)).toFixed(4)}`,
    auc(candidate, week).toFixed(3),
  ];
}

/**
 * Log loss of each row.
 * @param {import('./lib/fit.js').Model} model
 * @param {Record<string, unknown>[]} week
 */
function losses(model, week) {
  const { rows, labels } = labelled(week, 'late');
  return Array.from(predict(model, toFlights(rows)), (p, row) => -Math.log(labels[row] === 1 ? p : 1 - p));
}

/**
 * Chance that a late flight gets a higher probability than one on time; ties count half.
 * @param {import('./lib/fit.js').Model} model
 * @param {Record<string, unknown>[]} week
 */
function auc(model, week) {
  const { rows, labels } = labelled(week, 'late');
  const ranked = Array.from(predict(model, toFlights(rows)), (p, row) => ({ p, late: labels[row] === 1 }));
  ranked.sort((a, b) => a.p - b.p);
  let [pairs, onTime, lates] = [0, 0, 0];
  for (let from = 0, to = 0; from < ranked.length; from = to) {
    while (to < ranked.length && ranked[to]?.p === ranked[from]?.p) to += 1;
    const tied = ranked.slice(from, to);
    const tiedLate = tied.filter((row) => row.late).length;
    pairs += tiedLate * (onTime + (tied.length - tiedLate) / 2);
    onTime += tied.length - tiedLate;
    lates += tiedLate;
  }
  return pairs / (onTime * lates);
}

/**
 * Standard error of a mean whose values vary together within clusters.
 * @param {number[]} values
 * @param {number[]} clusters
 */
function clusteredError(values, clusters) {
  const centre = mean(values);
  /** @type {Map<number, number>} */
  const sums = new Map();
  for (const [row, value] of values.entries()) {
    const cluster = clusters[row] ?? 0;
    sums.set(cluster, (sums.get(cluster) ?? 0) + value - centre);
  }
  const squares = [...sums.values()].reduce((sum, value) => sum + value ** 2, 0);
  return Math.sqrt((squares * sums.size) / (sums.size - 1)) / values.length;
}

/** @param {Record<string, unknown>[]} week */
function late(week) {
  return mean(week.map((row) => Number(row['late'])));
}

/**
 * Share of flights that a graph exported with `strictAirports` from weeks 0-3 fails for.
 * @param {Record<string, unknown>[]} week
 */
function strangers(week) {
  return mean(week.map((row) => (known.has(String(row['origin'])) && known.has(String(row['destination'])) ? 0 : 1)));
}

/** @param {number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param {number} share */
function percent(share) {
  return `${(share * 100).toFixed(1)} %`;
}

/** @param {number} value */
function signed(value) {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(4)}`;
}

/** @param {string[]} cells */
function line(...cells) {
  process.stdout.write(
    `${cells
      .map((cell) => (cells.length > 1 ? cell.padStart(10) : cell))
      .join(' ')
      .trimEnd()}\n`
  );
}
