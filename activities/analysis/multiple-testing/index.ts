export { benjaminiHochberg, bonferroni, holm } from './adjust.js';
