import { AGENTS } from '@selvage/testing-agents'
import { open } from '../../test/turn-engine-under-test.ts'
import { conformance } from './index.ts'

const module = new URL('../../test/turn-engine-under-test.ts', import.meta.url).href
await conformance({ open, module, more: AGENTS })
