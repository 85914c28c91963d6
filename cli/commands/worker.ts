import { controlQueue, siteQueue, siteRoles, type SiteRole } from '@retempo/workflows/contracts';
import { Option } from 'commander';
import { CliError, exitCode } from '../failure.js';
import type { CommandDefinition } from '../program.js';
import { runWorkers } from '../run-workers.js';
import type { Session } from '../session.js';

interface WorkerOptions {
  readonly site?: readonly string[];
  readonly control?: boolean;
  readonly role?: readonly SiteRole[];
}

/** `retempo worker`. */
export const worker: CommandDefinition = {
  name: 'worker',
  summary: 'run workers until SIGTERM or Ctrl-C',
  description:
    'Serves the control queue and the queues of all sites in this process; with --control or --site only those. On ' +
    'SIGTERM it takes no more work, lets what runs finish (limits.drain of retempo.yaml), and ends. Jobs and endpoints ' +
    'have a life of their own and go on; another worker finds them again.',
  options: [
    new Option('--control', 'serve the control queue: workflows, analysis, registry'),
    new Option('--site <id...>', 'serve the queues of these sites'),
    new Option('--role <role...>', 'of the sites, serve only these roles').choices([...siteRoles]),
  ],
  examples: [
    'retempo worker                                   # everything',
    'retempo worker --control',
    'retempo worker --site onprem.east                # beside the machines of one site',
    'retempo worker --site onprem.east --role serving # endpoints only',
  ],
  json: '{ v, queues } on start; nothing at the end',
  action: async (session: Session, options: WorkerOptions) => {
    const config = await session.config();
    const known = Object.keys(config.sites);
    const unknown = (options.site ?? []).filter((site) => !known.includes(site));
    if (unknown.length > 0) {
      throw new CliError(
        exitCode.usage,
        'unknownSite',
        `there is no site ${unknown.join(', ')} in retempo.yaml; known: ${known.join(', ')}; add it under sites, or name one of these with --site`
      );
    }
    const place = await session.temporal();
    const wanted = wantedQueues(options, known);
    const workers = await runWorkers({
      io: session.io,
      config,
      place,
      verbose: session.options.verbose === true,
      sites: options.site ?? known,
      only: (queue) => wanted.has(queue),
    });
    session.result({ v: 1, queues: workers.queues }, [
      `  worker ${process.pid} serves ${workers.queues.join(', ')}`,
      `  Temporal ${place.address}, namespace ${place.namespace}. Ctrl-C or SIGTERM drains and ends it.`,
    ]);
    const stop = () => void workers.stop().catch(() => undefined);
    session.io.interrupted.addEventListener('abort', stop, { once: true });
    if (session.io.interrupted.aborted) stop();
    await workers.ended;
    session.say('drained');
  },
};

/** Without any option everything; `--control` and `--site` each add their own. */
function wantedQueues(options: WorkerOptions, known: readonly string[]): ReadonlySet<string> {
  const everything = options.control !== true && options.site === undefined;
  const sites = everything ? known : (options.site ?? []);
  const roles = options.role ?? siteRoles;
  return new Set([
    ...(everything || options.control === true ? [controlQueue] : []),
    ...sites.flatMap((site) => roles.map((role) => siteQueue(site, role))),
  ]);
}
