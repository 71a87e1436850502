/** The engine as the kit opens it. `folder` is where an engine that survives its process keeps things. */
import type { Program } from '@selvage/core'
import { hostOn } from '@selvage/core/engines'
import { nodeRuntime } from '@selvage/runtime-node'
import type { OpenedEngine } from '@selvage/testing/conformance'
import { memoryEngine } from '../src/engine.ts'

export async function open(_folder: string): Promise<OpenedEngine> {
  const engine = memoryEngine()
  const runtime = nodeRuntime()
  return { engine, host: (programs: readonly Program[]) => hostOn(engine, runtime, programs) }
}
