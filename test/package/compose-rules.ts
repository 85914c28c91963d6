import { parse } from 'yaml';

/** What the rules look at in one service of docker-compose.yml. */
interface Service {
  readonly image?: string;
  readonly build?: unknown;
  readonly user?: string;
  readonly privileged?: boolean;
  readonly network_mode?: string;
  readonly ports?: readonly unknown[];
  readonly volumes?: readonly unknown[];
  readonly environment?: { readonly [name: string]: string };
  readonly healthcheck?: { readonly test?: unknown; readonly disable?: boolean };
  readonly depends_on?: { readonly [service: string]: { readonly condition: string } };
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
}

/** A compose file after anchors and merge keys were resolved. */
export interface ComposeFile {
  readonly services: { readonly [name: string]: Service };
  readonly volumes?: { readonly [name: string]: unknown };
}

/** Reads a compose file as compose does. */
export const parseCompose = (text: string): ComposeFile => parse(text, { merge: true }) as ComposeFile;

/** A tag that names one build: digits with at least two parts, whatever follows. */
const exactTag = /:v?\d+\.\d+[\w.-]*$/;
const digest = /@sha256:[0-9a-f]{64}$/;

/** True for a reference such as `postgres:16.14-bookworm` or one with a digest after its tag. */
export const isPinned = (image: string): boolean => exactTag.test(image.replace(digest, ''));

const loopbackPort = /^127\.0\.0\.1:(\$\{[A-Z_]+:-\d+\}|\d+):\d+$/;
const openedByOthers = ['ui'];

/** Everything in which a compose file breaks the rules of this repository, one sentence each. */
export function composeProblems({ services, volumes = {} }: ComposeFile): readonly string[] {
  const problems: string[] = [];
  for (const [name, service] of Object.entries(services)) {
    const { image = '', user, ports = [] } = service;
    if (!isPinned(image)) problems.push(`${name}: image ${image} is not pinned to an exact version`);
    if (service.build !== undefined && (user === undefined || /^(root|0)(:|$)/.test(user))) {
      problems.push(`${name}: an image of our own must run as a user that is not root`);
    }
    if (service.privileged === true) problems.push(`${name}: is privileged`);
    if (service.network_mode === 'host') problems.push(`${name}: shares the network of the host`);
    for (const port of ports) {
      if (typeof port === 'string' && loopbackPort.test(port)) continue;
      problems.push(`${name}: port ${JSON.stringify(port)} is not bound to 127.0.0.1`);
    }
    for (const volume of service.volumes ?? []) {
      const [from = ''] = typeof volume === 'string' ? volume.split(':') : [];
      if (!Object.hasOwn(volumes, from)) problems.push(`${name}: ${JSON.stringify(volume)} is no named volume`);
    }
    const once = Object.values(services).some((other) =>
      Object.entries(other.depends_on ?? {}).some(
        ([waited, { condition }]) => waited === name && condition === 'service_completed_successfully'
      )
    );
    const checked = service.healthcheck !== undefined || service.build !== undefined;
    if (!once && !checked && !openedByOthers.includes(name)) problems.push(`${name}: has no health check`);
    for (const waited of Object.keys(service.depends_on ?? {})) {
      if (!Object.hasOwn(services, waited)) problems.push(`${name}: waits for ${waited}, which does not exist`);
    }
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      if (/PASSWORD|PWD|SECRET|TOKEN|KEY/.test(variable) && !value.endsWith('-local-only')) {
        problems.push(`${name}: ${variable} must be a local default that ends in -local-only`);
      }
    }
  }
  return problems;
}
