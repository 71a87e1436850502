import { forkChild } from '../../children.ts'
import type { Contender, ManyLooked } from '../../contender.ts'
import { reportOf } from './report-of.ts'

export const many: NonNullable<Contender['many']> = {
  async make(folder, made, count) {
    await reportOf(run('./many-process.js', folder, 'make', made))
    if (count > made) await reportOf(run('./many-copies-process.js', folder, String(made), count))
  },
  async look(folder) {
    const looked = (await reportOf(run('./many-process.js', folder, 'look', 0))) as ManyLooked
    await reportOf(run('./many-process.js', folder, 'end', 0))
    return looked
  },
}

function run(program: string, folder: string, mode: string, count: number): ReturnType<typeof forkChild> {
  return forkChild(new URL(program, import.meta.url), [folder, mode, String(count)])
}
