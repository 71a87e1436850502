import type { Mutation } from './mutation.ts'

export const SELVAGE: readonly Mutation[] = [
  {
    name: 'a link is believed whoever has signed it',
    breaks: 'docs/approvals.md: a token is signed',
    file: 'selvage/src/signing.ts',
    find: 'if (timingSafeEqual(given, right)) found = true',
    put: 'found = given.length === right.length && timingSafeEqual(given, given)',
    test: 'selvage/src/links.test.ts',
    title: 'is refused when it was tampered with',
  },
  {
    name: 'a message that is sent again does not make its session go on',
    breaks: 'docs/sessions.md: the same id is the same message',
    file: 'selvage/src/session.ts',
    find: 'isAgain && (await goOn(engine, this.sessionId))',
    put: 'isAgain && this.id === undefined',
    test: 'selvage/src/sessions.test.ts',
    title: 'goes on with the same message, which is answered once',
  },
]
