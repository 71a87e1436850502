/** For the laid-over tests of the SDK; main.ts says where they are, and whether agents are gated. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

const root = process.env.SELVAGE_SDK_LAID
if (root === undefined) throw new Error('This configuration is for main.ts beside it, which lays the tests out.')
const isGated = process.env.SELVAGE_SDK_GATES !== undefined
const setupFiles = JSON.parse(process.env.SELVAGE_SDK_SETUP ?? '[]') as string[]

const conditions = ['@selvage/source', 'node', 'development|production']
const gate = join(import.meta.dirname, 'every-agent.ts')
const AGENT = /export class Agent\b/

interface Exports {
  readonly [path: string]: { readonly node?: string; readonly default: string }
}

/** What the package exports is what the tests import by path: one copy of each class. */
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Exports }
const entries = new Map(
  Object.entries(exports).flatMap(([path, to]) => {
    const file = to.node ?? to.default
    return typeof file === 'string' ? [[join('@strands-agents/sdk', path), join(root, file.replace('dist/', ''))]] : []
  }),
)

export default defineConfig({
  root,
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  plugins: [
    {
      name: 'laid-over-sdk',
      enforce: 'pre',
      resolveId: (id: string) => entries.get(id),
      transform(code: string, id: string) {
        if (!isGated || id !== join(root, 'src/agent/agent.js')) return undefined
        if (!AGENT.test(code)) throw new Error(`There is no exported class Agent in ${id}: the gate has no place.`)
        return [
          `import { gateAgent } from ${JSON.stringify(gate)}`,
          code.replace(AGENT, 'class UngatedAgent'),
          'export class Agent extends UngatedAgent { constructor(...args) { super(...args); gateAgent(this) } }',
        ].join('\n')
      },
    },
  ],
  test: {
    include: ['src/**/__tests__/**/*.test.ts', 'src/**/__tests__/**/*.test.node.ts'],
    setupFiles,
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 10_000,
    hookTimeout: 30_000,
    unstubEnvs: true,
    // Both ways would find the same files in it.
    fsModuleCache: false,
  },
})
