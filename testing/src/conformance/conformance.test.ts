import { open } from '../../test/turn-engine-under-test.ts'
import { conformance } from './index.ts'

await conformance({ open, module: new URL('../../test/turn-engine-under-test.ts', import.meta.url).href })
