import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EXIT, EXIT_MEANING } from './exit-codes.ts'

test('docs/cli.md lists the exit codes as they are', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (\d) \| (.*) \|$/gm)].map(([, code, meaning]) => [
    Number(code),
    meaning?.replaceAll('`', ''),
  ])
  const codes = Object.entries(EXIT).map(([name, code]) => [code, EXIT_MEANING[name as keyof typeof EXIT]])
  expect(rows).toEqual(codes)
})
