import { cpSync } from 'node:fs'
import { forkChild } from '../../children.ts'
import type { AgentRecovery, Contender, Recovery } from '../../contender.ts'
import { scratchFolder } from '../../scratch.ts'

export const recovery: NonNullable<Contender['recovery']> = {
  async prepare(folder, steps) {
    await untilKilled('./recovery-process.js', folder, steps, 'make')
  },
  async take(folder, steps) {
    return (await untilKilled('./recovery-process.js', folder, steps, 'take')) as Recovery
  },
}

export const agentRecovery: NonNullable<Contender['agentRecovery']> = {
  async prepare(folder, cycles) {
    await untilKilled('./agent-recovery-process.js', folder, cycles, 'make')
  },
  async take(folder, cycles) {
    // A copy: who is killed again and again at one place is a crash loop.
    const copy = scratchFolder()
    cpSync(folder, copy, { recursive: true })
    return (await untilKilled('./agent-recovery-process.js', copy, cycles, 'take')) as AgentRecovery
  },
}

/** What the process reports from the step in which it is then killed. */
async function untilKilled(program: string, folder: string, size: number, mode: 'make' | 'take'): Promise<unknown> {
  const child = forkChild(new URL(program, import.meta.url), [folder, String(size), mode])
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  child.once('message', resolve)
  child.once('exit', (code) => reject(new Error(`a worker ended with code ${code} where it should have stood still`)))
  const report = await promise
  const gone = new Promise((exited) => child.once('exit', exited))
  child.kill('SIGKILL')
  await gone
  return report
}
