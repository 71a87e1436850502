import type { Mutation } from './mutation.ts'

export const CLI: readonly Mutation[] = [
  {
    name: 'show says of graphs that nothing of them runs again',
    breaks: 'docs/cli.md',
    file: 'apps/cli/src/resume.ts',
    find: "if (scopes.length > 0 && scopes.every((scope) => scope.startsWith('node:'))) return WORDS.nodes",
    put: '',
    test: 'apps/cli/src/resume.test.ts',
    title: 'an agent inside of a node of a graph',
  },
  {
    name: 'show says of a run that only heard something how it goes on',
    breaks: 'docs/cli.md',
    file: 'apps/cli/src/resume.ts',
    find: "type !== 'start' && type !== 'signal' && type !== 'end'",
    put: "type !== 'start' && type !== 'end'",
    test: 'apps/cli/src/resume.test.ts',
    title: 'a run that has done nothing',
  },
  {
    name: 'show does not say how a run goes on',
    breaks: 'docs/cli.md',
    file: 'apps/cli/src/commands/show.ts',
    find: '...resumeFacts(entries)',
    put: '',
    test: 'apps/cli/src/cli.test.ts',
    title: 'tells what a run did, what it waits for, and how to answer: the commands work as they are printed',
    processes: true,
  },
]
