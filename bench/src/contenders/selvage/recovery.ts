import { cpSync } from 'node:fs'
import { forkChild } from '../../children.ts'
import type { AgentRecovery, Contender, Recovery, SetUp } from '../../contender.ts'
import { scratchFolder } from '../../scratch.ts'
import { untilKilled } from '../../until-killed.ts'
import { startedAs } from './chat.ts'

export const recovery: NonNullable<Contender['recovery']> = {
  async prepare(folder, steps) {
    await run('./recovery-process.js', folder, steps, 'make')
  },
  async take(folder, steps) {
    return (await run('./recovery-process.js', folder, steps, 'take')) as Recovery
  },
}

export const agentRecovery: NonNullable<Contender['agentRecovery']> = {
  async prepare(folder, cycles) {
    await run('./agent-recovery-process.js', folder, cycles, 'make')
  },
  async take(folder, cycles, setUp) {
    // A copy: who is killed again and again at one place is a crash loop.
    const copy = scratchFolder()
    cpSync(folder, copy, { recursive: true })
    return (await run('./agent-recovery-process.js', copy, cycles, 'take', setUp)) as AgentRecovery
  },
}

function run(program: string, folder: string, size: number, mode: 'make' | 'take', setUp?: SetUp): Promise<unknown> {
  return untilKilled(forkChild(new URL(program, import.meta.url), [folder, String(size), mode], startedAs(setUp)))
}
