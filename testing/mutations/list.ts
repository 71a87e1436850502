import type { Mutation } from './mutation.ts'

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'an author can change what was recorded',
    breaks: 'I12',
    file: 'core/src/codec.ts',
    find: 'copy[index] = visit(walk, value[index], depth + 1)\n  }\n  return copy',
    put: 'visit(walk, value[index], depth + 1)\n  }\n  return value as readonly Json[]',
    test: 'core/src/codec.test.ts',
    title: 'what the author changes afterwards does not change what was recorded',
  },
]
