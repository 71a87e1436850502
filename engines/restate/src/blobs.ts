/**
 * Large values where nothing else is at hand: a virtual object for each, keyed by its hash. Good for some megabytes each; for
 * more, and for many, hand in blobs of another store.
 */
import { createHash } from 'node:crypto'
import { handlers, type ObjectContext, object, type VirtualObjectDefinition } from '@restatedev/restate-sdk'
import { type Blobs, EngineError, probe } from '@selvage/core'
import { COMMAND_OPTIONS } from './options.ts'
import { quoted, type RestateServer } from './server.ts'

const KEY = 'base64'

export function blobObject(name: string): VirtualObjectDefinition<string, unknown> {
  return object({
    name,
    options: COMMAND_OPTIONS,
    handlers: {
      put: handlers.object.exclusive(async (ctx: ObjectContext, base64: string): Promise<void> => {
        if ((await ctx.stateKeys()).length === 0) ctx.set(KEY, base64)
      }),
    },
  })
}

export function restateBlobs(server: RestateServer, service: string): Blobs {
  return {
    async put(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      probe('store.before-blob')
      await server.call({ service, key: hash, handler: 'put' }, Buffer.from(bytes).toString('base64'))
      probe('store.after-blob')
      return hash
    },
    async get(hash) {
      const from = `service_name = ${quoted(service)} and service_key = ${quoted(hash)} and key = ${quoted(KEY)}`
      const [row] = await server.query<{ value_utf8: string }>(`select value_utf8 from state where ${from}`)
      if (row === undefined) throw new EngineError('CORRUPT', `Restate holds no blob ${hash}.`, { details: { hash } })
      return new Uint8Array(Buffer.from(JSON.parse(row.value_utf8), 'base64'))
    },
  }
}
