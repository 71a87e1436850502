/** The engine as the kit opens it. `folder` is where an engine that survives its process keeps things. */
import { createHost, type Program } from '@selvage/core'
import { nodeRuntime } from '@selvage/runtime-node'
import type { OpenedEngine } from '@selvage/testing/conformance'
import { memoryEngine } from '../src/engine.ts'

export async function open(_folder: string): Promise<OpenedEngine> {
  const engine = memoryEngine()
  const runtime = nodeRuntime()
  const { manifest } = engine
  return {
    engine,
    host: (programs: readonly Program[]) =>
      createHost({ runtime, manifest, programs: () => programs, outbound: engine }),
  }
}
