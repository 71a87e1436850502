import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './testing/longest-first.ts'
import { mutationPlugin } from './testing/mutations/plugin.ts'

// Tests import the sources of every package; only the child processes that they spawn run the built dist.
const conditions = ['@selvage/source', 'node', 'development|production']

const mutation = mutationPlugin(process.env.SELVAGE_MUTATION)

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  ...(mutation !== undefined && { plugins: [mutation] }),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // A broken module must not be found again by a run that did not break it, nor the other way round.
    ...(mutation !== undefined && { fsModuleCache: false }),
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    env: {
      // Where the conformance kit leaves what it found, for docs/engines.md: npm run matrix.
      SELVAGE_CONFORMANCE: pathOf('.selvage/conformance'),
      // Most of what a child process costs is to compile what the child before it has compiled already.
      NODE_COMPILE_CACHE: pathOf('node_modules/.cache/selvage-compiled'),
    },
    // Many tests start processes: on a busy machine that takes its time, and none asserts one.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
