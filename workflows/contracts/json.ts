/** A value that survives JSON unchanged. Everything that crosses a Temporal boundary is one. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
