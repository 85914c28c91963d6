import type { Connection } from '@temporalio/client';
import { searchAttributes } from '@retempo/workflows/contracts';

/** `IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const keyword = 2;

/**
 * Registers the four search attributes of Retempo (type Keyword) in a namespace and leaves those that exist alone. Call it
 * once per cluster before the first start: a start with an unregistered attribute is refused by the server.
 *
 * Throws an Error when an attribute exists with another type, or when the identity may not change the namespace.
 */
export async function ensureSearchAttributes(
  connection: Pick<Connection, 'operatorService'>,
  options: { readonly namespace: string }
): Promise<{ readonly added: readonly string[] }> {
  const { namespace } = options;
  const existing: { readonly [name: string]: number } =
    (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes ?? {};
  const wanted = Object.values(searchAttributes);
  const different = wanted.filter((name) => existing[name] !== undefined && existing[name] !== keyword);
  if (different.length > 0) {
    throw new Error(
      `namespace ${namespace}: search attribute ${different.join(', ')} exists with another type than Keyword; ` +
        'remove it with "temporal operator search-attribute remove", then try again'
    );
  }
  const added = wanted.filter((name) => existing[name] === undefined);
  if (added.length > 0) {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(added.map((name) => [name, keyword])),
    });
  }
  return { added };
}
