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
  {
    name: 'a takeover is not told to who follows it',
    breaks: 'core/src/ports.ts: changed()',
    file: 'engines/embedded/src/changes.ts',
    find: ' || run.worker !== worker',
    put: '',
    test: 'engines/embedded/src/changes.test.ts',
    title: 'is told to who follows it',
  },
  {
    name: 'a takeover is told to who follows only the journal',
    breaks: 'core/src/ports.ts: changed()',
    file: 'engines/embedded/src/changes.ts',
    find: ', worker = run.worker }',
    put: ', worker }',
    test: 'engines/embedded/src/changes.test.ts',
    title: 'is not told to who does not follow it',
  },
  {
    name: 'runs that somebody waits for are looked at one by one',
    breaks: 'core/src/store.ts: glance is cheap for thousands',
    file: 'engines/embedded/src/changes.ts',
    find: 'const SLICE = 500',
    put: 'const SLICE = 1',
    test: 'engines/embedded/src/changes.test.ts',
    title: 'is looked for with one question for all who wait, each run named once',
  },
]
