import { conformance } from '@selvage/testing/conformance'
import { AGENTS } from '@selvage/testing-agents'
import { damage } from '../test/damage.ts'
import { open } from '../test/under-test.ts'

const neverHit = {
  'engine.after-claim-message': 'its scenario sends no message',
  'engine.after-delivery': 'its scenario sends no message',
  'engine.after-settle-message': 'its scenario sends no message',
}

const module = new URL('../test/under-test.ts', import.meta.url).href
await conformance({ open, module, name: 'embedded, SQLite', neverHit, damage, more: AGENTS })
