/** What a host of a test is given whose journal is a list of the test's own. */
import type { Manifest, Outbound } from '../src/index.ts'

export const IN_MEMORY: Manifest = {
  name: 'memory',
  limits: {},
  journal: 'store',
  affinity: false,
  countsDeliveries: true,
  survives: 'nothing',
  abilities: { list: false, approvals: false, attach: false, rotate: false },
}

const unused = async (): Promise<never> => {
  throw new Error('not used here')
}

/** For programs that start, signal and cancel no other run. */
export const NOWHERE: Outbound = { start: unused, signal: unused, cancel: unused }
