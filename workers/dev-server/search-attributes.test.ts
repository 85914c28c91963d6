import { searchAttributes } from '@retempo/workflows/contracts';
import { expect, it } from 'vitest';
import { ensureSearchAttributes } from './search-attributes.js';

const names = Object.values(searchAttributes);
const [first = '', ...others] = names;
const [text, keyword] = [1, 2];

/** A cluster that has these attributes, and what it is told to add. */
function cluster(customAttributes: Record<string, number> | null) {
  const added: unknown[] = [];
  const operatorService = {
    listSearchAttributes: () => Promise.resolve({ customAttributes }),
    addSearchAttributes: (request: unknown) => Promise.resolve(void added.push(request)),
  };
  return { added, connection: { operatorService } as unknown as Parameters<typeof ensureSearchAttributes>[0] };
}
const all = Object.fromEntries(names.map((name) => [name, keyword]));

it('registers what is missing and leaves the rest alone', async () => {
  const none = cluster(null);
  expect(await ensureSearchAttributes(none.connection, { namespace: 'one' })).toEqual({ added: names });
  expect(none.added).toEqual([{ namespace: 'one', searchAttributes: all }]);
  const some = cluster({ [first]: keyword, Somebodys: text });
  expect(await ensureSearchAttributes(some.connection, { namespace: 'one' })).toEqual({ added: others });
  const every = cluster(all);
  expect(await ensureSearchAttributes(every.connection, { namespace: 'one' })).toEqual({ added: [] });
  expect(every.added).toEqual([]);
});

it('adds nothing where one of them is something else', async () => {
  const { added, connection } = cluster({ [first]: text });
  await expect(ensureSearchAttributes(connection, { namespace: 'one' })).rejects.toThrow(
    `namespace one: search attribute ${first} exists with another type than Keyword; remove it`
  );
  expect(added).toEqual([]);
});
