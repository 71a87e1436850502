import type { Mutation } from './mutation.ts'

export const EMBEDDED: readonly Mutation[] = [
  {
    name: 'suspects are held beside a message that kills',
    breaks: 'rule 9: a message that kills takes no run along',
    file: 'engines/embedded/src/worker.ts',
    find: 'const suspects = (await this.courier?.mayKill()) !== true',
    put: 'const suspects = true',
    test: 'selvage/src/poison.test.ts',
    title: 'a message that kills every process is dead in the end',
    processes: true,
  },
]
