import type { Entry } from '@selvage/core'
import { memoryBlobs } from '@selvage/testing'
import { expect, it } from 'vitest'
import { Large } from './large.ts'

const signal = (bytes: number) => ({ id: 'a', name: 'a', payload: 'x'.repeat(bytes) })
const entries = [{ seq: 0, at: 1, type: 'reopen', voided: [] }] as readonly Entry[]

it('what fits stays where it is, and what does not is read again from the blobs', async () => {
  const large = new Large(memoryBlobs())
  expect(await large.pack(signal(10))).toEqual(signal(10))
  const packed = await large.pack(signal(300_000))
  expect(JSON.stringify(packed).length).toBeLessThan(200)
  expect(await large.unpack(packed)).toEqual(signal(300_000))
})

it('a generation that is over lies in a blob, however small, beside what lies in the record', async () => {
  const large = new Large(memoryBlobs())
  const archived = await large.archive(entries)
  expect(archived).not.toEqual(entries)
  expect(await large.entries([archived, entries])).toEqual([...entries, ...entries])
})

it('without blobs what is too large is refused, and what another process put there is CORRUPT, not a signal', async () => {
  const large = new Large(undefined)
  await expect(large.pack(signal(300_000))).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  expect(await large.archive(entries)).toBeNull()
  const packed = await new Large(memoryBlobs()).pack(signal(300_000))
  await expect(large.unpack(packed)).rejects.toMatchObject({
    code: 'CORRUPT',
    hint: expect.stringContaining('lambdaEngine({ blobs })'),
  })
})
