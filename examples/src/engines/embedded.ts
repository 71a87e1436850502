import { openSelvage } from 'selvage'
import { analyse } from './analysis.ts'

await analyse(await openSelvage())
