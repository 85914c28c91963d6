import { DevServerError, findServerBinary } from '@retempo/workers';

/**
 * Why no Temporal server can be had on this machine, or null when one is there (fetched into the user's cache if need be).
 * Suites that need it skip with this reason; `RETEMPO_REQUIRE_PEERS=1` turns the skip into a failure.
 */
export async function missingServer(): Promise<string | null> {
  try {
    await findServerBinary();
    return null;
  } catch (error) {
    if (!(error instanceof DevServerError) || process.env['RETEMPO_REQUIRE_PEERS'] === '1') throw error;
    console.warn(`skipped, no Temporal server: ${error.message}`);
    return error.message;
  }
}
