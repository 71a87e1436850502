import { expect, it, onTestFinished, vi } from 'vitest'
import { warnOnce } from './program-options.ts'

it('a line that a server would say with each request is said once', () => {
  const said = vi.spyOn(console, 'warn').mockImplementation(() => {})
  onTestFinished(() => said.mockRestore())
  for (const line of ['one', 'two', 'one', 'one']) warnOnce(line)
  expect(said.mock.calls).toEqual([['selvage: one'], ['selvage: two']])
})
