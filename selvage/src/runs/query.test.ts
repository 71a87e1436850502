import { describe, expect, it } from 'vitest'
import { openSelvage, type Selvage } from '../core.ts'

/** Three runs that have failed, and one that has not. */
async function failed(): Promise<Selvage> {
  const selvage = await openSelvage({ url: 'sqlite::memory:' })
  const program = selvage.workflow('program', (_ctx, isGood: boolean) => {
    if (!isGood) throw new Error('down')
  })
  for (const n of [1, 2, 3]) await (await program.start(false, { runId: `bad${n}` })).result().catch(() => {})
  await (await program.start(true, { runId: 'good' })).result()
  return selvage
}

/** As from a request: the compiler knows nothing of it. */
type Any = Parameters<Selvage['discardAll']>[0]
const given = (query: unknown): Any => query as Any

describe('what a list is asked for', () => {
  it.each([
    [{ createdBefore: '2020-01-01' }, 'createdBefore of discardAll() is no time in milliseconds'],
    [{ createdBefore: new Date(0) }, 'createdBefore of discardAll() is no time in milliseconds'],
    [{ createdFrom: Number.NaN }, 'createdFrom of discardAll() is no time in milliseconds'],
    [{ tag: { team: 'a' } }, 'tag of discardAll() has no key and value'],
    [{ tag: { key: 'team', value: 5 } }, 'The value of the tag of discardAll() is 5'],
    [{ program: 5 }, 'program of discardAll() is 5'],
    [{ force: 'false' }, 'force of discardAll() is "false", and must be true or false'],
    [{ dryRun: 'false' }, 'dryRun of discardAll() is "false", and must be true or false'],
  ])('is refused where it is of another kind, and nothing is taken away: %o', async (query, says) => {
    await using selvage = await failed()
    await expect(selvage.discardAll(given(query))).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(says),
    })
    expect((await selvage.runs()).items.length).toBe(4)
  })

  it('is refused so by every list', async () => {
    await using selvage = await failed()
    const tag = given({ tag: 'team' }) as object
    const refused = { code: 'BAD_INPUT', message: expect.stringContaining('has no key and value') }
    await expect(selvage.runs(tag)).rejects.toMatchObject(refused)
    await expect(selvage.retryAll(tag)).rejects.toMatchObject(refused)
    await expect(selvage.approvals(tag)).rejects.toMatchObject(refused)
    const five = given({ runId: 5 }) as object
    const noText = { code: 'BAD_INPUT', message: expect.stringContaining('is 5, and must be a text') }
    await expect(selvage.approvals(five)).rejects.toMatchObject(noText)
    await expect(selvage.effects(five)).rejects.toMatchObject(noText)
    await expect(selvage.messages(five)).rejects.toMatchObject(noText)
    const forced = given({ force: 1 }) as object
    await expect(selvage.run('bad1').discard(forced)).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })
})
