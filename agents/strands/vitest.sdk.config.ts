/**
 * Runs this package's tests against another version of the SDK:
 *
 *   npm install --prefix <folder> @strands-agents/sdk@1.16.0 zod
 *   STRANDS_SDK=<folder> npx vitest run --config agents/strands/vitest.sdk.config.ts
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

const folder = process.env.STRANDS_SDK
if (folder === undefined) throw new Error('STRANDS_SDK names the folder in which the SDK was installed.')
const sdk = join(folder, 'node_modules/@strands-agents/sdk')
console.log(`Strands SDK ${JSON.parse(readFileSync(join(sdk, 'package.json'), 'utf8')).version}`)

export default defineConfig({
  ...base,
  root: join(import.meta.dirname, '../..'),
  resolve: {
    ...base.resolve,
    alias: [{ find: /^@strands-agents\/sdk$/, replacement: join(sdk, 'dist/src/index.node.js') }],
  },
  test: { ...base.test, include: ['agents/strands/**/*.test.ts'] },
})
