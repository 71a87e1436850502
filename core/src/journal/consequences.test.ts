import { expect, it } from 'vitest'
import { Consequences } from './consequences.ts'

/** The same, by its definition: for each failure all that was asked for because of it, or because of something that was. */
class Defined {
  readonly #failures = new Map<string, Set<string>>()
  #cause = ''

  given(key: string): void {
    this.#cause = key
  }

  failed(key: string): void {
    this.#failures.set(key, new Set())
  }

  asked(key: string, _: boolean): void {
    for (const [failure, keys] of this.#failures) {
      if (failure !== key && (failure === this.#cause || keys.has(this.#cause))) keys.add(key)
    }
  }

  of(failure: string): readonly string[] {
    const order = [...this.#failures.keys()]
    const others = order.slice(order.indexOf(failure) + 1).filter((key) => this.#failures.get(key)?.size === 0)
    return [...new Set([...(this.#failures.get(failure) ?? []), ...others])]
  }
}

/** Numbers below `most`, the same ones for a seed. */
function chance(seed: number): (most: number) => number {
  let state = seed
  return (most) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return Math.floor((state / 2 ** 32) * most)
  }
}

it('are what the definition says, in any order of asking, answers and failures', () => {
  for (let seed = 0; seed < 2_000; seed++) {
    const below = chance(seed)
    const [defined, found] = [new Defined(), new Consequences()]
    const open: string[] = []
    const failures: string[] = []
    for (let asked = 0; asked < 20; ) {
      const key = open[below(open.length)]
      if (key === undefined || below(3) === 0) {
        open.push(`k${asked}`)
        for (const each of [defined, found]) each.asked(`k${asked}`, false)
        asked += 1
        continue
      }
      open.splice(open.indexOf(key), 1)
      for (const each of [defined, found]) each.given(key)
      if (below(2) === 0) continue
      failures.push(key)
      for (const each of [defined, found]) each.failed(key)
    }
    for (const failure of failures) expect(found.of(failure).toSorted()).toEqual(defined.of(failure).toSorted())
  }
})

it('of a step that was withdrawn and asked for again are those of the last time', () => {
  const consequences = new Consequences()
  consequences.given('a')
  consequences.failed('a')
  consequences.asked('b', false)
  consequences.given('c')
  consequences.asked('b', false)
  expect(consequences.of('a')).toEqual([])
})

it('what a folding program asks for behind a failure is void only if it has failed as well', () => {
  const consequences = new Consequences()
  consequences.given('a')
  consequences.failed('a')
  consequences.asked('of a', true)
  consequences.asked('of another branch', true)
  consequences.given('of another branch')
  consequences.asked('next of that branch', false)
  consequences.given('of a')
  consequences.failed('of a')
  expect(consequences.of('a')).toEqual(['of a'])
})
