/** The same programs, on a Restate server. */
import { restateEngine } from '@selvage/engine-restate'
import { freePorts } from '@selvage/testing/servers'
import { openSelvage } from 'selvage/core'
import type { Contender } from '../../contender.ts'
import { selvage } from '../selvage/contender.ts'
import { stepsOn } from '../selvage/steps.ts'

export const selvageRestate: Contender = {
  name: 'selvage-restate',
  title: 'Selvage on Restate',
  version: selvage.version,
  durability: (durability) => (durability === 'full' ? 'one node, one partition; the server as it comes' : undefined),
  server: 'restate',
  async steps(_folder, shape, [ingress = '', admin = '']) {
    const [port = 0] = await freePorts(1)
    // Objects of its own: the server has those of other sessions too.
    const engine = restateEngine({ ingress, admin, name: `bench-${port}`, listen: { host: '127.0.0.1', port } })
    const session = stepsOn(await openSelvage({ engine }), shape)
    return {
      ...session,
      async count() {
        const { items } = await engine.list({ limit: 1_000 })
        return items.reduce((sum, { steps }) => sum + steps, 0)
      },
    }
  },
}
