/**
 * A process with a handler of a user's and a worker of ours, to be killed: `node inside.ts <folder> <port>`. The handler runs one
 * of our programs as a part of it.
 */
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http2'
import { join } from 'node:path'
import { type Context, createEndpointHandler, service } from '@restatedev/restate-sdk'
import { runInside } from '@selvage/engine-restate'
import { nodeRuntime } from '@selvage/runtime-node'
import { enginePrograms } from '@selvage/testing'
import { open } from './under-test.ts'

const [folder = '', port] = process.argv.slice(2)
process.stdin.on('end', () => process.exit()).resume()
const act = (line: string): void => appendFileSync(join(folder, 'effects'), `${line}\n`)
const { engine, host } = await open(folder)
await engine.serve(host(enginePrograms(act)))
const runtime = nodeRuntime()
const desk = service({
  name: 'desk',
  handlers: {
    place: async (ctx: Context, steps: number): Promise<unknown> => {
      await ctx.run('before', () => act('before'))
      const sum = await runInside(ctx, { name: 'count' }, steps, { engine, runtime })
      await ctx.run('after', () => act('after'))
      return { sum, runId: `inside/${ctx.request().id}/count` }
    },
    ask: async (ctx: Context): Promise<unknown> =>
      await runInside(ctx, { name: 'ask' }, null, { engine, runtime }).catch((error: Error) => error.message),
  },
})
createServer(createEndpointHandler({ services: [desk], logger: () => {} })).listen(Number(port), '127.0.0.1', () =>
  console.log('ready'),
)
