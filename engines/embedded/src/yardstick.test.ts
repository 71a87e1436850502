import { conformance, YARDSTICK } from '@selvage/testing/conformance'
import { damage } from '../test/damage.ts'
import { open } from '../test/under-test.ts'

await conformance({ open, damage, module: new URL('../test/under-test.ts', import.meta.url).href }, YARDSTICK)
