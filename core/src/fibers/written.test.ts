/**
 * I2, I9: the outcome of an effect `once` may be written and not durable for as long as it takes the program to ask for the
 * next one. Nothing else begins, waits or ends before it is durable.
 */
import { expect, it } from 'vitest'
import { advancing, IN_MEMORY } from '../../test/in-memory.ts'
import {
  type Advance,
  type Durability,
  type Durable,
  EngineError,
  type Entry,
  type Op,
  type Progress,
  SelvageError,
} from '../index.ts'

const once = (key: string): Op => ({ key, kind: 'code', name: key, effect: 'once' })
const plain = (key: string): Op => ({ key, kind: 'code', name: key })

interface Lived {
  readonly progress: Progress
  /** What was appended, synced and done, in that order. */
  readonly log: readonly string[]
}

interface Circumstances {
  /** What becomes of a sync. `none`: the journal has none. */
  readonly sync?: (() => Promise<void>) | 'none'
  readonly budget?: Advance['budget']
}

/** Lives until it waits or ends. */
async function live(
  run: (durable: Durable, effect: (op: Op) => Promise<unknown>) => Promise<unknown>,
  { sync = async () => {}, budget }: Circumstances = {},
): Promise<Lived> {
  const log: string[] = []
  const entries: Entry[] = []
  const advance = advancing(
    (durable) => run(durable, (op) => durable.step(op, () => void log.push(`do ${op.key}`))),
    entries,
    {
      host: { manifest: { ...IN_MEMORY, abilities: { ...IN_MEMORY.abilities, outbox: true } } },
      journal: {
        append: async (_: number, more: readonly Entry[], durability: Durability = 'durable') => {
          await new Promise((resolve) => void setImmediate(resolve))
          entries.push(...more)
          log.push(...more.map((entry) => `${durability} ${entry.type}${'key' in entry ? ` ${entry.key}` : ''}`))
        },
        ...(sync !== 'none' && { sync: () => sync().then(() => void log.push('sync')) }),
      },
      request: budget === undefined ? {} : { budget },
    },
  )
  for (;;) {
    try {
      const progress = await advance()
      if (progress.kind !== 'continue') return { progress, log }
      log.push('continue')
    } catch (error) {
      if (!SelvageError.is(error)) throw error
      log.push(error.code)
    }
  }
}

it('the intent of the next one takes it along: one sync for both', async () => {
  const { log } = await live(async (_, effect) => {
    await effect(once('a'))
    await effect(once('b'))
  })
  expect(log).toEqual([
    ...['durable start', 'durable intent a', 'do a', 'written step a'],
    ...['durable intent b', 'do b', 'written step b', 'sync', 'durable end'],
  ])
})

it('another step does not begin before it is durable', async () => {
  let release = (): void => {}
  let asked = (): void => {}
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const done: string[] = []
  const life = live(
    async (durable, effect) => {
      await effect(once('a'))
      await durable.step(plain('b'), () => void done.push('b'))
    },
    {
      sync: () => {
        asked()
        return new Promise((resolve) => {
          release = resolve
        })
      },
    },
  )
  await isAsked
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(done).toEqual([])
  release()
  const { log } = await life
  expect(done).toEqual(['b'])
  expect(log.slice(3)).toEqual(['written step a', 'sync', 'durable step b', 'durable end'])
})

it('nor does a wait, nor the rest beside what is in flight', async () => {
  const waiting = await live(async (durable, effect) => {
    await effect(once('a'))
    await durable.wait('w', 'never')
  })
  expect(waiting.progress.kind).toBe('wait')
  expect(waiting.log.slice(3)).toEqual(['written step a', 'sync'])
  const beside = await live(async (durable, effect) => {
    const sibling = Promise.withResolvers<void>()
    const long = durable.step(plain('long'), () => sibling.promise)
    await effect(once('a'))
    // Longer than anything of ours takes to come to rest.
    setTimeout(sibling.resolve, 50)
    await long
  })
  expect(beside.log.slice(1)).toEqual([
    ...['durable intent a', 'do a', 'written step a', 'sync', 'durable step long', 'durable end'],
  ])
})

it('both of two that were asked for at once are held back, in their order', async () => {
  const { log } = await live(async (_, effect) => {
    await effect(once('a'))
    await Promise.all([effect(plain('b')), effect(once('c')), effect(plain('d'))])
  })
  expect(log.slice(3)).toEqual([
    ...['written step a', 'durable intent c', 'do b', 'do c', 'do d'],
    ...['durable step b', 'durable step c', 'durable step d', 'durable end'],
  ])
})

it('where the sync fails nothing begins before the next advance has made it', async () => {
  let fails = 1
  const { log } = await live(
    async (_, effect) => {
      await effect(once('a'))
      await effect(plain('b'))
    },
    {
      sync: async () => {
        if (fails-- > 0) throw new EngineError('UNAVAILABLE', 'No disk.')
      },
    },
  )
  expect(log.slice(3)).toEqual([...['written step a', 'UNAVAILABLE', 'sync', 'do b', 'durable step b', 'durable end']])
})

it('each time anew', async () => {
  const { log } = await live(async (durable, effect) => {
    await effect(once('a'))
    await effect(plain('b'))
    await effect(once('c'))
    await effect(once('d'))
    await durable.wait('w', 'never')
  })
  expect(log.slice(3)).toEqual([
    ...['written step a', 'sync', 'do b', 'durable step b'],
    ...['durable intent c', 'do c', 'written step c', 'durable intent d', 'do d', 'written step d', 'sync'],
  ])
})

it('nor does the engine have it before, or the outbox', async () => {
  const handed = await live((_, effect) => effect(once('a')), { budget: { entries: 1 } })
  expect(handed.log.slice(1)).toEqual([
    ...['continue', 'durable intent a', 'do a', 'written step a', 'sync', 'continue', 'durable end'],
  ])
  const sending = await live(async (durable) => {
    await durable.step(once('a'), ({ send }) => send('mail', 'to: somebody'))
  })
  expect(sending.log.slice(1)).toEqual(['durable intent a', 'durable step a', 'durable end'])
})

it('a failure is durable at once, and so is everything where the journal cannot do otherwise', async () => {
  const failing = await live(async (durable) => {
    const fail = (): never => {
      throw new Error('declined')
    }
    await durable.step(once('a'), fail).catch(() => {})
  })
  expect(failing.log.slice(1)).toEqual(['durable intent a', 'durable step a', 'durable end'])
  const plainly = await live(async (_, effect) => void (await effect(once('a'))), { sync: 'none' })
  expect(plainly.log.slice(1)).toEqual(['durable intent a', 'do a', 'durable step a', 'durable end'])
})
