#!/usr/bin/env node
// Linked as `retempo` when the package is installed, before anything is built; what it runs is built from bin.ts.
import './dist/bin.js';
