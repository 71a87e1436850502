import { conformance } from '@selvage/testing/conformance'
import { open } from '../test/under-test.ts'

const neverHit = {
  'engine.after-claim-message': 'its scenario sends no message',
  'engine.after-delivery': 'its scenario sends no message',
  'engine.after-settle-message': 'its scenario sends no message',
}

await conformance({ open, module: new URL('../test/under-test.ts', import.meta.url).href, neverHit })
