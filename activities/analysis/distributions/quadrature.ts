/** Nodes and weights of the 20-point Gauss-Legendre rule on [-1, 1], the positive half. */
const NODES = [
  0.07652652113349734, 0.22778585114164507, 0.37370608871541955, 0.5108670019508271, 0.636053680726515,
  0.7463319064601508, 0.8391169718222188, 0.912234428251326, 0.9639719272779138, 0.9931285991850949,
] as const;
const WEIGHTS = [
  0.15275338713072584, 0.14917298647260374, 0.14209610931838204, 0.13168863844917664, 0.11819453196151841,
  0.10193011981724044, 0.08327674157670475, 0.06267204833410907, 0.04060142980038694, 0.017614007139152118,
] as const;

/** Integral of f over [from, to] by the 20-point Gauss-Legendre rule on each of `panels` equal parts. */
const integrate = (f: (x: number) => number, from: number, to: number, panels: number): number => {
  const half = (to - from) / (2 * panels);
  let total = 0;
  for (let panel = 0; panel < panels; panel += 1) {
    const centre = from + half * (2 * panel + 1);
    for (let i = 0; i < NODES.length; i += 1) {
      const step = half * (NODES[i] as number);
      total += (WEIGHTS[i] as number) * (f(centre - step) + f(centre + step));
    }
  }
  return total * half;
};

/**
 * Integral over s in [0, limit] of exp(g(s)), for a concave g with g(0) = 0 and slope g'(0) <= 0:
 * the tail of a density in units of its value at the start of the tail.
 */
export const integrateTail = (g: (s: number) => number, slope: number, curvature: number, limit: number): number => {
  // The point where the parabola through g(0), g'(0), g''(0) has fallen to -45.
  const drop = 45;
  let end = (2 * drop) / (-slope + Math.sqrt(slope * slope + 2 * curvature * drop));
  if (end >= limit) end = limit;
  else while (end < limit && g(end) > -38) end = Math.min(limit, end * 1.25);
  return integrate((s) => Math.exp(g(s)), 0, end, 4);
};

/** Nodes and weights of the same rule over [from, to], as columns. */
export const gaussLegendre = (
  from: number,
  to: number,
  panels: number
): { readonly nodes: Float64Array; readonly weights: Float64Array } => {
  const half = (to - from) / (2 * panels);
  const nodes = new Float64Array(panels * 20);
  const weights = new Float64Array(panels * 20);
  for (let panel = 0; panel < panels; panel += 1) {
    const centre = from + half * (2 * panel + 1);
    for (let i = 0; i < NODES.length; i += 1) {
      const at = panel * 20 + 2 * i;
      nodes[at] = centre - half * (NODES[i] as number);
      nodes[at + 1] = centre + half * (NODES[i] as number);
      weights[at] = half * (WEIGHTS[i] as number);
      weights[at + 1] = half * (WEIGHTS[i] as number);
    }
  }
  return { nodes, weights };
};
