import { PortError } from '@retempo/activities/ports';

/** Name of the environment variable that holds a secret: `RETEMPO_SECRET_WAREHOUSE_TOKEN` for `warehouse-token`. */
export const secretVariable = (name: string): string =>
  `RETEMPO_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

/**
 * Resolves `secret:<name>` from environment variables, see {@link secretVariable}. The value is read when it is needed and
 * kept nowhere.
 *
 * @returns a function that throws `PortError` class `AuthDenied` naming the variable when it is not set.
 */
export function environmentSecrets(
  env: { readonly [name: string]: string | undefined } = process.env
): (name: string) => Promise<string> {
  // oxlint-disable-next-line require-await -- an unknown secret must reject, not throw
  return async (name) => {
    const variable = secretVariable(name);
    const value = env[variable];
    if (value !== undefined && value !== '') return value;
    throw new PortError('AuthDenied', `secret:${name} is unknown; set the environment variable ${variable}`);
  };
}
