export { regularizedBeta, type BetaInput } from './beta.js';
export { binomialCdf, type BinomialInput } from './binomial.js';
export { chiSquareSf, logGamma, regularizedGamma, type GammaInput } from './gamma.js';
export { kolmogorovSf, type KolmogorovInput } from './kolmogorov.js';
export { normalCdf, normalLogSf, normalQuantile, normalSf } from './normal.js';
export { studentTSf } from './student-t.js';
