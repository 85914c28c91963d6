export const repositoryRoot = new URL('../../', import.meta.url);
