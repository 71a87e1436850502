import type { Mutation } from './mutation.ts'

export const RESTATE: readonly Mutation[] = [
  {
    name: 'on Restate the last signal of an id is kept',
    breaks: 'I4',
    file: 'engines/restate/src/inbox.ts',
    find: 'if ((await ctx.get(signalKey(signal.id))) !== null) return',
    put: '',
    test: 'engines/restate/src/engine.test.ts',
    title: 'I4: the first signal of an id counts, also when Restate has forgotten that it was sent',
  },
  {
    name: 'on Restate a repeated signal is accepted like a first one',
    breaks: 'I4',
    file: 'engines/restate/src/engine.ts',
    find: "if (receipt.status === 'PreviouslyAccepted') {",
    put: 'if (false) {',
    test: 'engines/restate/src/conformance.test.ts',
    title: 'of two with the same id one counts, and the second sender is told which',
    titleIn: 'testing/src/conformance/signals.ts',
  },
  {
    name: 'on Restate a run that kills its workers is tried for ever',
    breaks: 'docs/advance.md, rule 9',
    file: 'engines/restate/src/inbox.ts',
    find: 'const delivery = before?.advance === advance ? before.count + 1 : 1',
    put: 'const delivery = 1',
    test: 'engines/restate/src/conformance.test.ts',
    title: 'not for ever where every worker dies at the same step; a retry goes on from there',
    titleIn: 'testing/src/conformance/takeover.ts',
    processes: true,
  },
  {
    name: 'on Restate a killed run that is retried forgets what its invocation had recorded',
    breaks: 'I1',
    file: 'engines/restate/src/drive-run.ts',
    find: 'this.store(run.entries - left.length, left)',
    put: '',
    test: 'engines/restate/src/engine.test.ts',
    title: 'a run that is killed in the console has failed, and goes on with what is recorded when it is retried',
  },
]
