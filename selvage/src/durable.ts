import { resolve } from 'node:path'
import { type OptionNames, refuseNoText, UsageError } from '@selvage/core'
import {
  createDurablePlugin,
  DURABLE_OPTIONS,
  type DurablePlugin,
  type OpenDurable,
  type DurableOptions as PluginOptions,
} from '@selvage/strands'
import { assemble, type Parts } from './assemble.ts'
import type { CoreSelvage } from './core-selvage.ts'
import { locate } from './url.ts'

export interface DurableOptions extends PluginOptions {
  /** As for openSelvage. Agents of one process that name one database share it. */
  readonly url?: string
  /** An opened Selvage in place of a url. It must stay open as long as the agent is used. */
  readonly selvage?: CoreSelvage
}

const KNOWN: OptionNames<DurableOptions> = { ...DURABLE_OPTIONS, url: true, selvage: true }

/**
 * Makes an unmodified Agent durable, in your own process: `new Agent({ …, plugins: [durable({ runId })] })`. Run the same
 * program again after a crash and it goes on where it stopped. See docs/durable.md.
 *
 * The database is opened with the first invocation. Neither it nor the plugin keeps the process alive.
 */
export function durable(options: DurableOptions): DurablePlugin {
  const open: OpenDurable = async () => {
    const { url, selvage } = options
    const { engine, createHost, live } = selvage === undefined ? await shared(url) : selvage.parts
    return {
      engine,
      createHost: (programs) => {
        const host = createHost(programs)
        live?.tellOf(host)
        return host
      },
    }
  }
  const plugin = createDurablePlugin(options, open, KNOWN)
  if (options.url !== undefined) refuseNoText('url of durable()', options.url)
  if (options.url === undefined || options.selvage === undefined) return plugin
  throw new UsageError('BAD_INPUT', 'durable() takes a url or a selvage, not both.')
}

const opened = new Map<string, Promise<Parts>>()

/** One engine per database and process: its handle is freed when the process ends, however it ends. */
function shared(url: string | undefined): Promise<Parts> {
  const location = locate(url, process.env)
  const key = location.kind === 'sqlite' ? resolve(location.path) : location.url
  const parts = opened.get(key) ?? assemble(url === undefined ? {} : { url })
  opened.set(key, parts)
  parts.catch(() => opened.delete(key))
  return parts
}
