import type { Mutation } from './mutation.ts'

export const DBOS: readonly Mutation[] = [
  {
    name: 'on DBOS a second signal of an id counts as well',
    breaks: 'I4',
    file: 'engines/dbos/src/runs.ts',
    find: 'if (rows[0] !== undefined) return { accepted: false, first: JSON.parse(rows[0].body) as Signal }',
    put: 'if (rows[0] !== undefined) return { accepted: true }',
    test: 'engines/dbos/src/conformance.test.ts',
    title: 'of two with the same id one counts, and the second sender is told which',
    titleIn: 'testing/src/conformance/signals.ts',
  },
  {
    name: 'on DBOS the newest signal is taken first',
    breaks: 'I13',
    file: 'engines/dbos/src/runs.ts',
    find: 'where run = $1 and seq >= $2 order by seq`,\n      [runId, from],\n    )\n    return rows.map(({ seq, body })',
    put: 'where run = $1 and seq >= $2 order by seq desc`,\n      [runId, from],\n    )\n    return rows.map(({ seq, body })',
    test: 'engines/dbos/src/conformance.test.ts',
    title: 'a burst while nobody works is taken in the order in which it was accepted',
    titleIn: 'testing/src/conformance/signals.ts',
  },
  {
    name: 'on DBOS a workflow that was given up runs for ever',
    breaks: 'I8',
    file: 'engines/dbos/src/worker.ts',
    find: 'else await this.options.failed(run, error === null ? how : messageOf(error))',
    put: 'else messageOf(error ?? how)',
    test: 'engines/dbos/src/engine.test.ts',
    title: 'a run whose workflow DBOS ends with an error is failed, and can be retried',
  },
  {
    name: 'on DBOS a retried run hears nothing of what came before it failed',
    breaks: 'I4',
    file: 'engines/dbos/src/runs.ts',
    find: '{ runId, ...counts, heard: 0, at }',
    put: '{ runId, ...counts, heard: 2, at }',
    test: 'engines/dbos/src/engine.test.ts',
    title: 'a retried run hears what was accepted, and not taken, before it failed',
  },
]
