import { conformance } from '@selvage/testing/conformance'
import { open } from './under-test.ts'

await conformance({ open, module: new URL('under-test.ts', import.meta.url).href, name: 'template, memory' })
