import type { Mutation } from './mutation.ts'

export const POSTGRES: readonly Mutation[] = [
  {
    name: 'in PostgreSQL whoever comes appends, whatever his fence',
    breaks: 'I3',
    file: 'stores/postgres/src/append.ts',
    find: "where run.fence = asked.fence and run.length = asked.at and run.status = 'running'",
    put: 'where run.length = asked.at',
    test: 'stores/postgres/src/contract.test.ts',
    title: 'needs the newest fence of a run that is running',
    titleIn: 'testing/src/store/runs.ts',
  },
  {
    name: 'in PostgreSQL an entry is appended behind a gap',
    breaks: 'I5',
    file: 'stores/postgres/src/append.ts',
    find: 'where run.fence = asked.fence and run.length = asked.at and',
    put: 'where run.fence = asked.fence and',
    test: 'stores/postgres/src/contract.test.ts',
    title: 'is refused where the journal does not end at `at`, or an entry has another number',
    titleIn: 'testing/src/store/runs.ts',
  },
  {
    name: 'in PostgreSQL the last answer to a question wins',
    breaks: 'I4',
    file: 'stores/postgres/src/inbox.ts',
    find: 'if (first !== undefined) return { accepted: false, first }',
    put: 'if (first !== undefined) return { accepted: true }',
    test: 'stores/postgres/src/contract.test.ts',
    title: 'has one first writer, whoever asks and whenever',
    titleIn: 'testing/src/store/inbox.ts',
  },
  {
    name: 'in PostgreSQL a run is suspended, released or ended by who lost it',
    breaks: 'I3',
    file: 'stores/postgres/src/append.ts',
    find: "if (run?.fence === fence && run.status === 'running') return run",
    put: 'if (run !== undefined) return run',
    test: 'stores/postgres/src/contract.test.ts',
    title: 'gives the run up until a signal or a time',
    titleIn: 'testing/src/store/runs.ts',
  },
]
