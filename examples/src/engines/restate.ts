/** The same on Restate. `npx @restatedev/restate-server` before; RESTATE_INGRESS and RESTATE_ADMIN where it is elsewhere. */
import { restateEngine } from '@selvage/engine-restate'
import { openSelvage } from 'selvage'
import { analyse } from './analysis.ts'

const { RESTATE_INGRESS: ingress, RESTATE_ADMIN: admin, PORT: port = '9080' } = process.env
const engine = restateEngine({
  ...(ingress !== undefined && { ingress }),
  ...(admin !== undefined && { admin }),
  listen: { port: Number(port) },
})
await analyse(await openSelvage({ engine }))
