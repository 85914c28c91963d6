/** Workflows, analysis, registry. */
export const controlQueue = 'retempo.control';

/** Roles of a site's queues. Waits have their own, because they hold slots: a rollback must never queue behind them. */
export const siteRoles = ['jobs', 'wait', 'serving', 'data'] as const;
export type SiteRole = (typeof siteRoles)[number];

export const siteQueue = (site: string, role: SiteRole): string => `retempo.${site}.${role}`;
export const poolQueue = (site: string, accelerator: string): string => `retempo.${site}.pool.${accelerator}`;

/** Splits `<site>/<pool>`. */
export function splitPool(place: string): { readonly site: string; readonly pool: string } {
  const cut = place.indexOf('/');
  return { site: place.slice(0, cut), pool: place.slice(cut + 1) };
}
