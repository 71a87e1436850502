/**
 * The tests of this package against another version of the SDK, which main.ts beside it has installed into the folder
 * STRANDS_SDK.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

const folder = process.env.STRANDS_SDK
if (folder === undefined) throw new Error('STRANDS_SDK names the folder in which the SDK was installed.')
const sdk = join(folder, 'node_modules/@strands-agents/sdk')
console.log(`Strands SDK ${JSON.parse(readFileSync(join(sdk, 'package.json'), 'utf8')).version}`)

const conditions = ['@selvage/source', 'node', 'development|production']
const entry = join(sdk, 'dist/src/index.node.js')

export default defineConfig({
  root: join(import.meta.dirname, '../../../..'),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  plugins: [
    {
      name: 'another-sdk',
      enforce: 'pre',
      resolveId: (id: string) => (id === '@strands-agents/sdk' ? { id: entry, external: true } : undefined),
    },
  ],
  test: {
    include: ['agents/strands/src/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    // What is kept of a module does not say by which SDK.
    fsModuleCache: false,
  },
})
