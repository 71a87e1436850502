import { conformance } from '@selvage/testing/conformance'
import { LambdaTestService } from '@selvage/testing/servers'
import { AGENTS } from '@selvage/testing-agents'
import { afterAll } from 'vitest'
import { damageOn } from '../test/damage.ts'
import { open, SECOND_MS } from '../test/under-test.ts'

const neverHit = {
  'host.before-append': 'Lambda keeps the journal',
  'host.after-append': 'Lambda keeps the journal',
  'store.before-commit': 'there is no store',
  'store.after-commit': 'there is no store',
  'engine.after-suspend': 'when an invocation is over, no code of ours is told',
}

const service = await LambdaTestService.open({ secondMs: SECOND_MS })
afterAll(() => service.close())
Object.assign(process.env, service.env)
const plays = { kills: 1, seeds: 2 }
const module = new URL('../test/under-test.ts', import.meta.url).href
await conformance({ open, module, neverHit, plays, damage: damageOn(service), more: AGENTS })
