// What the demonstration says and what it checks. A check that does not hold fails the demo; the last line counts them.
import { writeFileSync } from 'node:fs';

const colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
const paint = (/** @type {string} */ code, /** @type {string} */ text) =>
  colour ? `\u001b[${code}m${text}\u001b[0m` : text;

/** @param {{ file?: string | undefined }} options */
export function createReport({ file }) {
  const startedAt = Date.now();
  /** @type {{ scene: string, what: string, held: boolean, seen: string }[]} */
  const checks = [];
  let scene = '';
  const clock = () => {
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    return paint('2', `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}`);
  };
  const line = (/** @type {string} */ text) => console.log(`${clock()}  ${text}`);

  return {
    /** @param {string} title @param {string} [about] */
    scene(title, about) {
      scene = title;
      console.log(`\n${paint('1', title)}`);
      if (about !== undefined) console.log(paint('2', `  ${about}`));
    },
    line,
    /** @param {string} url */
    link: (url) => line(paint('36', url)),
    /**
     * @param {string} what What must hold, as a sentence.
     * @param {boolean} held
     * @param {unknown} [seen] What was seen, for the one who asks why.
     */
    check(what, held, seen = '') {
      const text = typeof seen === 'string' ? seen : JSON.stringify(seen);
      checks.push({ scene, what, held, seen: text });
      const mark = held ? paint('32', 'holds ') : paint('31', 'FAILED');
      line(`${mark} ${what}${text === '' || (held && text.length > 160) ? '' : paint('2', `  (${text})`)}`);
    },
    /** Prints the result, writes the report, and says whether everything held. */
    finish() {
      const failed = checks.filter(({ held }) => !held);
      const seconds = Math.round((Date.now() - startedAt) / 1000);
      console.log(
        `\n${paint('1', `${checks.length - failed.length} checks held, ${failed.length} failed`)} in ${seconds} s`
      );
      for (const { scene, what, seen } of failed) console.log(paint('31', `  ${scene}: ${what}  (${seen})`));
      if (file !== undefined) {
        writeFileSync(
          file,
          JSON.stringify({ passed: checks.length - failed.length, failed: failed.length, seconds, checks }, null, 2)
        );
      }
      return failed.length === 0 && checks.length > 0;
    },
  };
}

/** @typedef {ReturnType<typeof createReport>} Report */
