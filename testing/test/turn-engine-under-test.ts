/** The turn-engine, gentle, as the conformance sections open it: it shows what the kit asks of an engine that keeps nothing. */
import { createHost, type Program } from '@selvage/core'
import { nodeRuntime, systemClock } from '@selvage/runtime-node'
import type { OpenedEngine } from '../src/conformance/index.ts'
import { turnEngine } from '../src/turn-engine/turn-engine.ts'

export async function open(): Promise<OpenedEngine> {
  const engine = turnEngine({ clock: systemClock })
  const runtime = nodeRuntime()
  const { manifest } = engine
  return {
    engine,
    host: (programs: readonly Program[]) =>
      createHost({ runtime, manifest, programs: () => programs, outbound: engine }),
  }
}
