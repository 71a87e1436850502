import { conformance } from '@selvage/testing/conformance'
import { AGENTS } from '@selvage/testing-agents'
import { damage } from '../test/damage.ts'
import { open } from '../test/under-test.ts'

const module = new URL('../test/under-test.ts', import.meta.url).href
await conformance({ open, module, name: 'embedded, SQLite', damage, more: AGENTS })
