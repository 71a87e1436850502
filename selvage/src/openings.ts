/**
 * What is open in this process. A module that is loaded again (a hot reload, a route that is bundled by itself) opens the same
 * database a second time, and the worker of the first opening goes on with the code before: a run of a program that both have is
 * made by either. Nobody can forbid that, since two workers in one process are also how a takeover is tried out; it is said once.
 */
import type { Registry } from './registry.ts'

interface Opening {
  readonly location: string
  readonly programs: Registry
}

/** Of the process, not of this module, which may be loaded twice itself. */
const KEY = Symbol.for('selvage.openings')
const shared = globalThis as { [KEY]?: { readonly open: Set<Opening>; readonly told: Set<string> } }

export class Openings {
  readonly #own: Opening
  readonly #warn: (line: string) => void

  constructor(own: Opening, warn: (line: string) => void) {
    this.#own = own
    this.#warn = warn
  }

  /** This one may work on runs of its programs. Databases in memory are nobody else's. */
  enter(): void {
    if (!this.#own.location.endsWith(':memory:')) here().open.add(this.#own)
  }

  /** Says so where another opening has that program. */
  check(program: { readonly name: string; readonly version?: string }): void {
    const { location } = this.#own
    const { open, told } = here()
    if (!open.has(this.#own) || told.has(location)) return
    const isShared = [...open].some(
      (other) => other !== this.#own && other.location === location && other.programs.has(program),
    )
    if (!isShared) return
    told.add(location)
    this.#warn(
      `${location} is open twice in this process with the program '${program.name}', and either makes its runs: after a hot reload also with the code before. Close the Selvage that is replaced (docs/servers.md).`,
    )
  }

  leave(): void {
    here().open.delete(this.#own)
  }
}

function here(): NonNullable<(typeof shared)[typeof KEY]> {
  shared[KEY] ??= { open: new Set(), told: new Set() }
  return shared[KEY]
}
