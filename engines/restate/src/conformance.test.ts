import { conformance } from '@selvage/testing/conformance'
import { noRestate, RestateTestServer } from '@selvage/testing/servers'
import { AGENTS } from '@selvage/testing-agents'
import { afterAll, test } from 'vitest'
import { open, type Servers, URLS, type Urls } from '../test/under-test.ts'

const neverHit = {
  'host.before-append': 'Restate keeps the journal',
  'host.after-append': 'Restate keeps the journal',
  'store.before-commit': 'there is no store',
  'store.after-commit': 'there is no store',
  'engine.after-suspend': 'when Restate suspends, no code of ours is told',
}

const missing = noRestate()
if (missing === undefined) {
  const server = await RestateTestServer.open()
  afterAll(() => server.close())
  const impatient = await RestateTestServer.open({ patienceMs: 1_000 })
  afterAll(() => impatient.close())
  const urlsOf = ({ ingress, admin }: RestateTestServer): Urls => ({ ingress, admin })
  process.env[URLS] = JSON.stringify({ ...urlsOf(server), impatient: urlsOf(impatient) } satisfies Servers)
  // Each life of a process takes the server some tenths of a second to notice.
  const plays = { kills: 1, seeds: 2 }
  const damage = 'no API of Restate lets anybody change the journal of an invocation'
  const module = new URL('../test/under-test.ts', import.meta.url).href
  await conformance({ open, module, neverHit, plays, damage, more: AGENTS })
} else {
  console.info(`restate: skipped: ${missing}`)
  test('restate', ({ skip }) => skip(missing))
}
