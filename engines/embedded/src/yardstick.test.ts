import { conformance, YARDSTICK } from '@selvage/testing/conformance'
import { open } from '../test/under-test.ts'

await conformance({ open, module: new URL('../test/under-test.ts', import.meta.url).href }, YARDSTICK)
