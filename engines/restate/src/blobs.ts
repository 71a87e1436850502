/**
 * Large values where nothing else is at hand: a virtual object for each, keyed by its hash. Good for some megabytes each; for
 * more, and for many, hand in blobs of another store.
 */
import { handlers, type ObjectContext, object, type VirtualObjectDefinition } from '@restatedev/restate-sdk'
import type { Blobs } from '@selvage/core'
import { hashedBlobs } from '@selvage/runtime-node'
import { PLACE } from './errors.ts'
import { COMMAND_OPTIONS } from './options.ts'
import type { Partitions } from './partitions.ts'
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

export function restateBlobs(server: RestateServer, partitions: Partitions, service: string): Blobs {
  return hashedBlobs({
    place: PLACE,
    async write(hash, bytes) {
      await server.call({ service, key: hash, handler: 'put' }, Buffer.from(bytes).toString('base64'))
    },
    async read(hash) {
      const isBlob = `${await partitions.among('service_key', [hash])} and service_name = ${quoted(service)}`
      const [row] = await server.query<{ value_utf8: string }>(
        `select value_utf8 from state where ${isBlob} and key = ${quoted(KEY)}`,
      )
      return row && new Uint8Array(Buffer.from(JSON.parse(row.value_utf8), 'base64'))
    },
  })
}
