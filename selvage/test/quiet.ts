import type { Logger } from 'selvage/core'

/** Says nothing: for tests of what a logger would warn of. */
export const quiet: Logger = { info: () => {}, warn: () => {}, error: () => {} }
