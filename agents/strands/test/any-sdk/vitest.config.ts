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
const { version, exports } = JSON.parse(readFileSync(join(sdk, 'package.json'), 'utf8')) as {
  readonly version: string
  readonly exports: { readonly [path: string]: { readonly default?: string } }
}
console.log(`Strands SDK ${version}`)

const conditions = ['@selvage/source', 'node', 'development|production']
const NAME = '@strands-agents/sdk'

/** The file behind the package's name, or a path below it. */
function fileOf(id: string): string | undefined {
  if (id === NAME) return join(sdk, 'dist/src/index.node.js')
  const file = id.startsWith(`${NAME}/`) ? exports[`.${id.slice(NAME.length)}`]?.default : undefined
  return file === undefined ? undefined : join(sdk, file)
}

export default defineConfig({
  root: join(import.meta.dirname, '../../../..'),
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  plugins: [
    {
      name: 'another-sdk',
      enforce: 'pre',
      resolveId: (id: string) => {
        const file = fileOf(id)
        return file === undefined ? undefined : { id: file, external: true }
      },
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
