import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RunError } from '@selvage/core'
import { expect, test } from 'vitest'
import { EXIT, EXIT_MEANING, exitCodeOf } from './exit-codes.ts'

test('docs/cli.md lists the exit codes as they are', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (\d) \| (.*) \|$/gm)].map(([, code, meaning]) => [
    Number(code),
    meaning?.replaceAll('`', ''),
  ])
  const codes = Object.entries(EXIT).map(([name, code]) => [code, EXIT_MEANING[name as keyof typeof EXIT]])
  expect(rows).toEqual(codes)
})

test.each(['RUN_ENDED', 'RUN_UNDONE', 'RUN_HELD'] as const)('%s is what cannot be done any more', (code) => {
  expect(exitCodeOf(new RunError(code, 'It is over.'))).toBe(EXIT.conflict)
})
