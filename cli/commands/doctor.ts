import { examine } from '../doctor/checks.js';
import { exitCode } from '../failure.js';
import type { CommandDefinition } from '../program.js';
import type { Session } from '../session.js';
import { tableLines } from '../text/table.js';

/** `retempo doctor`. */
export const doctor: CommandDefinition = {
  name: 'doctor',
  summary: 'look for what keeps models from being trained or served',
  description:
    'Checks the configuration, the disk, the sites, the Temporal server and its search attributes, that every queue has a ' +
    'worker and nothing waits without one, the governors, and the endpoints. Changes nothing.',
  examples: ['retempo doctor', 'retempo doctor --json | jq \'.findings[] | select(.level != "ok")\''],
  json: '{ v, healthy, findings: [{ level: ok|warning|error, what, message }] }; exit code 1 when something is wrong',
  action: async (session: Session) => {
    const findings = await examine(session);
    const { style } = session;
    const signs = { ok: style.good('ok'), warning: style.warn('!'), error: style.bad('x') };
    const healthy = findings.every(({ level }) => level !== 'error');
    session.result(
      { v: 1, healthy, findings },
      tableLines(
        findings.flatMap(({ level, what, message }) =>
          message.split('\n').map((line, index) => (index === 0 ? [signs[level], what, line] : ['', '', line]))
        )
      )
    );
    return healthy ? exitCode.ok : exitCode.failed;
  },
};
