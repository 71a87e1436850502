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
]
