/** The same programs, on the engines and the store that keep runs on a server. */
import { dbosEngine } from '@selvage/engine-dbos'
import { restateEngine } from '@selvage/engine-restate'
import { freePorts } from '@selvage/testing/servers'
import { type OpenOptions, openSelvage } from 'selvage/core'
import type { Contender, StepSession, StepShape } from '../../contender.ts'
import type { ServerName } from '../../servers.ts'
import { selvage } from './contender.ts'
import { stepsOn } from './steps.ts'

export const selvagePostgres: Contender = on('selvage-postgres', 'Selvage on PostgreSQL', 'postgres', {
  settings: "openSelvage({ url: 'postgres://…' }); PostgreSQL as it comes: fsync and synchronous_commit on",
  open: async ([url = '']) => ({ url }),
})

export const selvageDbos: Contender = on('selvage-dbos', 'Selvage on DBOS', 'postgres', {
  settings: 'dbosEngine({ url }); PostgreSQL as it comes: fsync and synchronous_commit on',
  open: async ([url = '']) => ({ engine: dbosEngine({ url, poolSize: 20 }) }),
})

export const selvageRestate: Contender = on('selvage-restate', 'Selvage on Restate', 'restate', {
  settings: 'restateEngine(); one node, the server as it comes',
  open: async ([ingress = '', admin = '']) => {
    const [port = 0] = await freePorts(1)
    // Objects of its own: the server has those of other sessions too.
    return { engine: restateEngine({ ingress, admin, name: `bench-${port}`, listen: { host: '127.0.0.1', port } }) }
  },
})

interface Elsewhere {
  readonly settings: string
  open(addresses: readonly string[]): Promise<OpenOptions>
}

function on(name: string, title: string, server: ServerName, { settings, open }: Elsewhere): Contender {
  return {
    name,
    title,
    version: selvage.version,
    durability: (durability) => (durability === 'full' ? settings : undefined),
    server,
    steps: async (_folder, shape, addresses) => counting(await open(addresses), shape),
  }
}

/** There is no file to look into: what the engine says of its runs is added up. */
async function counting(options: OpenOptions, shape: StepShape): Promise<StepSession> {
  const opened = await openSelvage(options)
  return {
    ...stepsOn(opened, shape),
    async count() {
      let page = await opened.runs({ limit: 1_000 })
      let steps = 0
      for (;;) {
        for (const run of page.items) steps += run.steps
        if (page.next === undefined) return steps
        page = await opened.runs({ limit: 1_000, after: page.next })
      }
    },
  }
}
