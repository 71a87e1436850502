/** A run of a test whose journal is a list of the test's own, advanced by hand. */
import { nodeRuntime } from '@selvage/runtime-node'
import {
  type Advance,
  createHost,
  type Entry,
  type HostOptions,
  type Journal,
  type Manifest,
  type Outbound,
  type Program,
  type Progress,
} from '../src/index.ts'

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
const NOWHERE: Outbound = { start: unused, signal: unused, cancel: unused }

/** What is otherwise than by default. */
export interface Otherwise {
  readonly host?: Partial<HostOptions>
  /** Default: an append is there with a later macrotask. */
  readonly journal?: Partial<Journal>
  readonly request?: Partial<Advance>
}

/** Each call is one advance of run `r` by one host, from where `entries` ends. */
export function advancing(
  run: Program['run'],
  entries: Entry[],
  { host: options, journal: own, request }: Otherwise = {},
): () => Promise<Progress> {
  const runtime = options?.runtime ?? nodeRuntime()
  const programs = () => [{ name: 'p', resume: 'replay' as const, run }]
  const host = createHost({ runtime, manifest: IN_MEMORY, programs, outbound: NOWHERE, ...options })
  const journal = {
    load: async (from: number) => entries.slice(from),
    append: async (_: number, more: readonly Entry[]) => {
      await new Promise((resolve) => void setImmediate(resolve))
      entries.push(...more)
    },
    ...own,
  }
  const start = { program: 'p', input: null }
  return () =>
    host.advance(
      { runId: 'r', start, cursor: entries.length, signals: [], now: runtime.clock.now(), ...request },
      { abortSignal: new AbortController().signal, heartbeat: () => {}, journal, delivery: 1 },
    )
}
