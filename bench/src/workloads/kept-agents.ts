/** Other ways to keep an agent, killed in the same place as ours: the SDK's own, and LangGraph's. */
import type { ChildProcess } from 'node:child_process'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { forkChild, within } from '../children.ts'
import type { KeptRecovery } from '../contender.ts'
import { install, peerFolder } from '../install.ts'
import { scratchFolder } from '../scratch.ts'
import { untilKilled } from '../until-killed.ts'

export interface Kept {
  readonly title: string
  /** More cycles than these take too long to come to. */
  readonly most: number
  /** Leaves it as a kill in the tool of that cycle leaves it. */
  prepare(folder: string, cycles: number): Promise<void>
  /** A cold process goes on, and is killed in its first call. */
  take(folder: string, cycles: number): Promise<KeptRecovery>
}

/** To bring it to the cycle that it is killed in, beside all else that is prepared. */
const PATIENCE_MS = 90_000
const SDK = new URL('../cycles/kept-recovery-process.js', import.meta.url)

export const KEPT: readonly Kept[] = [
  kept('SessionManager, per message', async (args) => forkChild(SDK, ['session', ...args])),
  // Each checkpoint is an invocation of its own.
  kept('checkpointing: true, with a SessionManager', async (args) => forkChild(SDK, ['checkpoints', ...args]), 500),
  kept('LangGraph, SQLite checkpointer', async (args) => {
    await install('langgraph')
    return forkChild(pathToFileURL(join(peerFolder('langgraph'), 'agent-recovery.ts')), args)
  }),
]

function kept(
  title: string,
  begin: (args: readonly string[]) => Promise<ChildProcess>,
  most = Number.POSITIVE_INFINITY,
): Kept {
  return {
    title,
    most,
    async prepare(folder, cycles) {
      const child = await begin([folder, String(cycles), 'make'])
      try {
        await within(PATIENCE_MS, 'to come there', untilKilled(child))
      } finally {
        child.kill('SIGKILL')
      }
    },
    async take(folder, cycles) {
      const copy = scratchFolder()
      cpSync(folder, copy, { recursive: true })
      return (await untilKilled(await begin([copy, String(cycles), 'take']))) as KeptRecovery
    },
  }
}
