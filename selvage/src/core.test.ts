import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)

/** The urls of all modules that an import of the built package loads. */
async function loadedBy(entry: string): Promise<string[]> {
  const script = `
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) })
    await import(${JSON.stringify(join(import.meta.dirname, '../dist', entry))})
    console.log(JSON.stringify(urls))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script])
  return JSON.parse(stdout)
}

test('selvage/core loads no agent SDK', async () => {
  const urls = await loadedBy('core.js')
  expect(urls.some((url) => url.endsWith('/core/dist/index.js'))).toBe(true)
  expect(urls.filter((url) => url.includes('strands'))).toEqual([])
})
