/** The turn-engine, gentle, as the conformance sections open it: it shows what the kit asks of an engine that keeps nothing. */
import { createHost, type Program } from '@selvage/core'
import { nodeRuntime, systemClock } from '@selvage/runtime-node'
import type { OpenedEngine, PlaceOptions } from '../src/conformance/index.ts'
import { memoryBlobs } from '../src/memory-blobs.ts'
import { turnEngine } from '../src/turn-engine/turn-engine.ts'

export async function open(_: string, { rotateAfter }: PlaceOptions = {}): Promise<OpenedEngine> {
  // A host hears of a signal while it is at work, as it does on engines that can reach it.
  const hostility = { offers: 1, ...(rotateAfter !== undefined && { rotatesEvery: rotateAfter }) }
  const engine = turnEngine({ clock: systemClock, hostility })
  const blobs = memoryBlobs()
  const runtime = nodeRuntime()
  const { manifest } = engine
  return {
    engine,
    generations: async (runId) => engine.generations(runId),
    host: (programs: readonly Program[]) =>
      createHost({ runtime, manifest, programs: () => programs, outbound: engine, blobs }),
  }
}
