import type { EndpointState, VersionId } from '@retempo/workflows/contracts';
import { isPortError, PortError, type Call, type ServingBackend } from '../ports/index.js';

type Weights = { readonly [version: VersionId]: number };

/** Weights of every version, as whole numbers; what is not named has none. */
export const weightsEqual = (state: EndpointState, weights: Weights): boolean =>
  [...new Set([...Object.keys(state.versions), ...Object.keys(weights)])].every(
    (version) => (state.versions[version]?.weight ?? 0) === (weights[version] ?? 0)
  );

/** Throws class `InvalidSpec` unless the map is whole percents with sum 100. */
export function checkWeights(weights: Weights): void {
  const values = Object.values(weights);
  const bad = values.find((weight) => !Number.isInteger(weight) || weight < 0 || weight > 100);
  if (bad !== undefined) throw new PortError('InvalidSpec', `a weight is a whole percent from 0 to 100, got ${bad}`);
  const sum = values.reduce((total, weight) => total + weight, 0);
  if (sum !== 100)
    throw new PortError('InvalidSpec', `weights must add up to 100, got ${sum}: ${JSON.stringify(weights)}`);
}

/**
 * Sets the split and returns the endpoint as read back. After an unknown outcome it looks: when the endpoint shows our
 * epoch and our weights, the lost answer was a yes. Anything else is thrown, with what was read back.
 */
export async function setAndReadBack(
  serving: ServingBackend,
  input: Parameters<ServingBackend['setTraffic']>[0],
  call: Call
): Promise<EndpointState> {
  checkWeights(input.weights);
  try {
    await serving.setTraffic(input, call);
  } catch (error) {
    const lost = isPortError(error) && (error.class === 'UnknownOutcome' || error.class === 'Conflict');
    if (!lost) throw error;
    const state = await serving.describe(input.endpoint, call);
    if (state.epoch === input.epoch && weightsEqual(state, input.weights)) return state;
    throw error;
  }
  return serving.describe(input.endpoint, call);
}
