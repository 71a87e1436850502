/** Blobs that are away for a moment cost no answer that was paid for, and no run. */
import { expect, it } from 'vitest'
import { advancing } from '../../test/in-memory.ts'
import { type Durable, EngineError, type Entry, type Json, type Op, SelvageError } from '../index.ts'

const LARGE = 'x'.repeat(100_000)
const op = (key: string, effect?: 'once'): Op => ({ key, kind: 'code', name: key, ...(effect && { effect }) })

/** Blobs of which the next so many reads or writes fail. */
class Blobs {
  readonly kept = new Map<string, Uint8Array>()
  fails = { put: 0, get: 0 }
  error: () => Error = () => new EngineError('DISK_FULL', 'There is no space left.')

  async put(bytes: Uint8Array): Promise<string> {
    if (this.fails.put-- > 0) throw this.error()
    const hash = `h${this.kept.size}`
    this.kept.set(hash, bytes)
    return hash
  }

  async get(hash: string): Promise<Uint8Array> {
    if (this.fails.get-- > 0) throw this.error()
    const bytes = this.kept.get(hash)
    if (bytes === undefined) throw new EngineError('NOT_FOUND', 'No such blob.')
    return bytes
  }
}

/** Advances until the run ends; what advances failed with. */
async function live(
  run: (durable: Durable) => Promise<unknown>,
  blobs: Blobs,
  entries: Entry[] = [],
  signal?: Json,
): Promise<{ readonly outcome: unknown; readonly errors: readonly string[] }> {
  const signals = signal === undefined ? [] : [{ id: 's', name: 'go', payload: signal }]
  const advance = advancing(run, entries, { host: { blobs }, request: { signals } })
  const errors: string[] = []
  for (;;) {
    try {
      const progress = await advance()
      if (progress.kind === 'done') return { outcome: progress.outcome, errors }
    } catch (error) {
      if (!SelvageError.is(error)) throw error
      errors.push(error.code)
      if (errors.length > 9) throw error
    }
  }
}

it.each([undefined, 'once'] as const)(
  'a large answer is stored with the next advance, and not had twice: %s',
  async (effect) => {
    const blobs = new Blobs()
    blobs.fails.put = 2
    let bodies = 0
    const run = async (durable: Durable): Promise<unknown> =>
      (
        await durable.step(op('a', effect), () => {
          bodies += 1
          return LARGE
        })
      ).length
    expect(await live(run, blobs)).toEqual({ outcome: { ok: 100_000 }, errors: ['DISK_FULL', 'DISK_FULL'] })
    expect(bodies).toBe(1)
  },
)

it('a large answer that cannot be read is read with the next advance, in the order of the journal', async () => {
  const blobs = new Blobs()
  const told: string[] = []
  const run = async (durable: Durable): Promise<unknown> => {
    const both = ['a', 'b'].map(async (key) =>
      told.push(`${key} ${(await durable.step(op(key), () => key + LARGE)).length}`),
    )
    await Promise.all(both)
    return told.length
  }
  blobs.fails.get = 2
  expect(await live(run, blobs)).toEqual({ outcome: { ok: 2 }, errors: ['DISK_FULL', 'DISK_FULL'] })
  expect(told).toEqual(['a 100001', 'b 100001'])
})

it('so is one that the journal holds, and what a signal brought', async () => {
  const blobs = new Blobs()
  const entries: Entry[] = []
  const run = async (durable: Durable): Promise<unknown> => {
    const a = await durable.step(op('a'), () => LARGE)
    const answer = await durable.wait<string>('w', 'go')
    return a.length + (answer.ok ? answer.value.length : 0)
  }
  const large = { $s: ['blob', await blobs.put(new Uint8Array([0, ...Buffer.from(JSON.stringify(LARGE))])), 100_002] }
  await live(run, blobs, entries, large)
  for (let prefix = 1; prefix < entries.length; prefix++) {
    for (const fails of [1, 2]) {
      blobs.fails.get = fails
      const { outcome, errors } = await live(run, blobs, entries.slice(0, prefix), large)
      expect([outcome, errors.length]).toEqual([{ ok: 200_000 }, fails])
    }
  }
})

it('a result of a run that cannot be stored ends no run', async () => {
  const blobs = new Blobs()
  blobs.fails.put = 1
  blobs.error = () => new Error('ECONNRESET')
  const { outcome, errors } = await live(async () => LARGE, blobs)
  expect([outcome, errors]).toEqual([{ ok: { $s: ['blob', 'h0', 100_002] } }, ['UNAVAILABLE']])
})

it('blobs that are away are not said to be damaged; one that is missing is', async () => {
  const blobs = new Blobs()
  const run = async (durable: Durable): Promise<unknown> => (await durable.step(op('a'), () => LARGE)).length
  blobs.fails.get = 1
  blobs.error = () => new Error('ECONNRESET')
  expect((await live(run, blobs)).errors).toEqual(['UNAVAILABLE'])
  const entries: Entry[] = []
  await live(run, blobs, entries)
  blobs.kept.clear()
  await expect(live(run, blobs, entries.slice(0, 2))).rejects.toMatchObject({ code: 'CORRUPT' })
})

it('blobs that are away while another answer is written cost neither of the two', async () => {
  const blobs = new Blobs()
  blobs.fails.put = 1
  const bodies: string[] = []
  const isWriting = Promise.withResolvers<void>()
  const entries: Entry[] = []
  const advance = advancing(
    async (durable) =>
      Promise.all([
        durable.step(op('small'), () => bodies.push('small')),
        durable.step(op('large'), async () => {
          bodies.push('large')
          await isWriting.promise
          return LARGE
        }),
      ]),
    entries,
    {
      host: { blobs },
      journal: {
        append: async (_: number, more: readonly Entry[]) => {
          if (more.some((entry) => entry.type === 'step')) isWriting.resolve()
          // The large answer is refused by the blobs meanwhile.
          for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => void setImmediate(resolve))
          entries.push(...more)
        },
      },
    },
  )
  await expect(advance()).rejects.toMatchObject({ code: 'DISK_FULL' })
  expect(await advance()).toMatchObject({ kind: 'done' })
  expect(bodies).toEqual(['small', 'large'])
})
