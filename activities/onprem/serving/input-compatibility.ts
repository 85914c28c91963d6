import type { VersionId } from '@retempo/workflows/contracts';
import type { ModelServerMetadata } from './supervisor.js';

interface Input {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

const text = ({ name, datatype, shape }: Input) => `${name} ${datatype}[${shape.join(',')}]`;

const fits = (a: Input, b: Input): boolean =>
  a.datatype === b.datatype &&
  a.shape.length === b.shape.length &&
  a.shape.every((size, i) => size === b.shape[i] || size === -1 || b.shape[i] === -1);

/**
 * Why a version cannot take the requests that another one takes now, or undefined when it can (or nobody knows yet). Both
 * answer the same requests: with other inputs one of them would refuse every request as the caller's error, and caller
 * errors are never held against a version.
 */
export function inputsDiffer(
  serving: ModelServerMetadata | undefined,
  candidate: ModelServerMetadata | undefined,
  servingVersion: VersionId
): string | undefined {
  if (serving === undefined || candidate === undefined) return undefined;
  const [served, offered] = [serving.inputs as readonly Input[], candidate.inputs as readonly Input[]];
  const same =
    served.length === offered.length &&
    served.every((input) => offered.some((other) => other.name === input.name && fits(input, other)));
  if (same) return undefined;
  return (
    `takes ${offered.map(text).join(', ')}, but ${servingVersion}, which serves, takes ${served.map(text).join(', ')}: the same ` +
    'requests cannot go to both; train with the same inputs or release to an endpoint of its own'
  );
}
