import { existsSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { UsageError } from '@selvage/core'
import type { Selvage } from 'selvage'
import { createOutput } from '../output.ts'
import { type GlobalOptions, location } from '../session.ts'

export interface WorkOptions extends GlobalOptions {
  readonly concurrency?: number
}

/** What a module for `selvage work` exports, as `default` or as `register`. */
export type Register = (selvage: Selvage) => void | Promise<void>

/** `selvage work`: a worker for the programs of a module, until SIGINT or SIGTERM. */
export async function work(file: string, options: WorkOptions): Promise<void> {
  const output = createOutput(options.json === true)
  const register = await load(file)
  // Here only: it may bring an agent SDK along, which nobody who looks at a run should wait for.
  const { openSelvage } = await import('selvage')
  const selvage = await openSelvage(location(options))
  let signal: Stop | undefined
  try {
    const signals = new StopSignals()
    await register(selvage)
    signals.comeFirst()
    const programs = selvage.programs()
    if (programs.length === 0) {
      throw new UsageError('BAD_INPUT', `${file} registered no program.`, {
        hint: 'Call selvage.workflow() or selvage.agent() in the function that it exports.',
      })
    }
    await selvage.work(options.concurrency === undefined ? {} : { concurrency: options.concurrency })
    if (output.json) output.document({ event: 'working', pid: process.pid, location: selvage.location, programs })
    else output.line(`Working on ${programs.map(label).join(', ')} in ${selvage.location} (pid ${process.pid}).`)
    // Now, for those after it: Node would write it at an end that a killed worker never comes to.
    flushCompileCache()
    signal = await signals.first
    output.note(`${signal.name}: letting what is in flight come to its next durable point.`)
  } finally {
    await selvage.close()
  }
  if (output.json) output.document({ event: 'stopped', pid: process.pid })
  else output.line('Stopped. Other workers take over what is not done.')
  signal?.pass()
}

function label({ name, version }: { readonly name: string; readonly version?: string }): string {
  return version === undefined ? name : `${name} v${version}`
}

async function load(file: string): Promise<Register> {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new UsageError('BAD_INPUT', `There is no module ${path}.`, {
      hint: 'Give the path of a file that exports a function which registers programs.',
    })
  }
  const module: { readonly default?: unknown; readonly register?: unknown } = await import(pathToFileURL(path).href)
  const found = typeof module.register === 'function' ? module.register : module.default
  if (isRegister(found)) return found
  throw new UsageError('BAD_INPUT', `${file} exports no function that registers programs.`, {
    hint: 'Write: export default (selvage) => { selvage.workflow(…) }',
  })
}

function isRegister(value: unknown): value is Register {
  return typeof value === 'function'
}

interface Stop {
  readonly name: NodeJS.Signals
  /** To the handlers of the module. */
  pass(): void
}

/**
 * SIGINT and SIGTERM. The second one ends the process at once, as everybody expects, or does what the module has made of it. The
 * module's own handlers hear of the first one when the work has come to rest: some end the process, as do those of the SDK's bash tool.
 */
class StopSignals {
  readonly first: Promise<Stop>
  readonly #handlers = new Map<NodeJS.Signals, () => void>()
  readonly #others = new Map<NodeJS.Signals, readonly NodeJS.SignalsListener[]>()

  constructor() {
    this.first = new Promise((resolve) => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) {
        const hear = (): void => {
          for (const other of this.#others.get(name) ?? []) process.on(name, other)
          resolve({ name, pass: () => void process.emit(name, name) })
        }
        this.#handlers.set(name, hear)
        process.once(name, hear)
      }
    })
  }

  /** Once the module has added what it adds. */
  comeFirst(): void {
    for (const [name, own] of this.#handlers) {
      const others = process.listeners(name).filter((listener) => listener !== own)
      for (const other of others) process.removeListener(name, other)
      this.#others.set(name, others)
    }
  }
}
