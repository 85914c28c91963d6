export { createOnpremServing, type OnpremServing } from './onprem-serving.js';
export { checkEndpointOptions } from './check-endpoint-options.js';
export type { EndpointOptions } from './layout.js';
