import type { Mutation } from './mutation.ts'

export const SELVAGE: readonly Mutation[] = [
  {
    name: 'a link is believed whoever has signed it',
    breaks: 'docs/approvals.md: a token is signed',
    file: 'selvage/src/people/signing.ts',
    find: 'if (timingSafeEqual(given, right)) found = true',
    put: 'found = given.length === right.length && timingSafeEqual(given, given)',
    test: 'selvage/src/people/links.test.ts',
    title: 'is refused when it was tampered with',
  },
  {
    name: 'a message that is sent again does not make its session go on',
    breaks: 'docs/sessions.md: the same id is the same message',
    file: 'selvage/src/runs/session.ts',
    find: 'isAgain && (await goOn(engine, this.sessionId))',
    put: 'isAgain && this.id === undefined',
    test: 'selvage/src/runs/sessions.test.ts',
    title: 'goes on with the same message, which is answered once',
  },
  {
    name: 'who waits for a run does not work on it',
    breaks: 'docs/servers.md: who waits for a run works on it',
    file: 'selvage/src/core-selvage.ts',
    find: 'workOn: (runId) => this.#workOn(runId)',
    put: 'workOn: () => Promise.resolve()',
    test: 'selvage/src/openings.test.ts',
    title: 'goes on in a process that has its program',
  },
  {
    name: 'a forked session takes no messages',
    breaks: 'docs/forks.md: a session that is forked goes on',
    file: 'selvage/src/program-handle.ts',
    find: "!SelvageError.is(error, 'RUN_CONFLICT') || !(await isForkOf(engine, id, program))",
    put: 'error !== undefined',
    test: 'selvage/src/runs/sessions.test.ts',
    title: 'that was forked goes on as a session of its own',
  },
  {
    name: 'who waits is not told of a question of a run below',
    breaks: 'docs/effects.md: whoever awaits the result of a run above it',
    file: 'selvage/src/runs/unanswered.ts',
    find: 'lineage.some((id) => this.#waiters.has(id))',
    put: 'this.#waiters.has(runId)',
    test: 'selvage/src/runs/unanswered.test.ts',
    title: 'an outcome that nobody knows is told to who waits',
  },
]
