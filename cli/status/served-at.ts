import { governorId, type GovernorMemo } from '@retempo/workflows/contracts';
import type { ModelStatus } from '@retempo/starters';
import { storeCall } from '../apply/call.js';
import { readSpec } from '../apply/spec-documents.js';
import { isLocalSite } from '../local-site.js';
import type { Session } from '../session.js';
import type { ServedAt } from './model-rows.js';

/**
 * Base address of an endpoint of a local site. Null while its router does not run (asking starts nothing), and for sites
 * that this project does not have or that are not local.
 */
export async function endpointUrl(
  session: Session,
  { endpoint, site: id }: { readonly endpoint: string | null; readonly site: string | null }
): Promise<string | null> {
  const { sites } = await session.installation();
  const site = sites.find((one) => one.id === id);
  if (endpoint === null || site === undefined || !isLocalSite(site)) return null;
  if (site.routers.leftOf(endpoint) !== 'running') return null;
  return site.routers.endpointUrl(endpoint, storeCall(session.io));
}

/**
 * Endpoint that a model's runs release to. It stands in the spec that the governor has; where that cannot be read, because
 * the server was named by hand and there is no project, in what the governor was started with. Null when neither is known.
 */
export async function servedAt(session: Session, { model, specDigest }: ModelStatus): Promise<ServedAt | null> {
  try {
    const { registry } = await session.installation();
    const release = (await readSpec(registry, model, specDigest, storeCall(session.io)))?.release;
    if (release !== undefined) {
      const { endpoint, site } = release;
      return { name: endpoint, site, url: await endpointUrl(session, { endpoint, site }) };
    }
  } catch (error) {
    session.say(`the address of the endpoint is not shown: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { client } = await session.temporal();
  const memo = (await client.workflow.getHandle(governorId(model)).describe()).memo as
    Partial<GovernorMemo> | undefined;
  return memo?.endpoint === undefined || memo.site === undefined
    ? null
    : { name: memo.endpoint, site: memo.site, url: null };
}
