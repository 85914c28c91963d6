/** How one kind of text looks. */
export type Paint = (text: string) => string;

/** Colours of a stream; plain where nobody looks, with `NO_COLOR`, or on a dumb terminal. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly bad: Paint;
  readonly warn: Paint;
  readonly active: Paint;
}

const codes: { readonly [name in keyof Style]: readonly [number, number] } = {
  bold: [1, 22],
  dim: [2, 22],
  good: [32, 39],
  bad: [31, 39],
  warn: [33, 39],
  active: [36, 39],
};

/**
 * Chooses the style of a stream: `NO_COLOR` (any value but an empty one) switches colours off, `FORCE_COLOR` (other than
 * empty and 0) on; otherwise only a terminal gets them.
 */
export function styleFor(env: { readonly [name: string]: string | undefined }, isTerminal: boolean): Style {
  const off = (env['NO_COLOR'] ?? '') !== '';
  const forced = (env['FORCE_COLOR'] ?? '') !== '' && env['FORCE_COLOR'] !== '0';
  const on = !off && (forced || (isTerminal && env['TERM'] !== 'dumb'));
  const paint = ([open, close]: readonly [number, number]): Paint =>
    on ? (text) => `\u001b[${open}m${text}\u001b[${close}m` : (text) => text;
  return {
    bold: paint(codes.bold),
    dim: paint(codes.dim),
    good: paint(codes.good),
    bad: paint(codes.bad),
    warn: paint(codes.warn),
    active: paint(codes.active),
  };
}

/** Kind of colour that a phase has: something moves, something waits for somebody, something is wrong. */
export function paintPhase(phase: string, style: Style): Paint {
  if (['hold', 'rollingBack', 'rollbackBlocked'].includes(phase)) return style.bad;
  if (['paused', 'awaitingApproval', 'suspect', 'confirmed', 'waiting'].includes(phase)) return style.warn;
  return phase === 'healthy' || phase === 'done' ? style.good : style.active;
}

const escapes = new RegExp(String.raw`\u001b\[[0-9;]*m`, 'g');

/** Characters that take room on the terminal. */
export const widthOf = (text: string): number => Array.from(text.replaceAll(escapes, '')).length;

/** Takes away what could move the cursor or recolour the terminal: texts of programs and people are shown, not obeyed. */
export const harmless = (text: string): string =>
  text.replaceAll(/[\p{Control}\p{Bidi_Control}]/gu, (found) => (found === '\n' || found === '\t' ? found : ''));
