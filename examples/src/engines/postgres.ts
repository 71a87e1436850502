/** The same on the embedded engine, in a PostgreSQL of yours: DATABASE_URL says where. */
import { openSelvage } from 'selvage'
import { analyse } from './analysis.ts'

const { DATABASE_URL: url = 'postgres://postgres@127.0.0.1:5432/selvage' } = process.env
await analyse(await openSelvage({ url }))
