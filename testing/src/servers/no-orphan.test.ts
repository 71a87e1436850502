import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'

/** Its server could write where it does, for a long time. */
const STARTER = `
  import { spawn } from 'node:child_process'
  import { noOrphan } from ${JSON.stringify(new URL('../../dist/servers/no-orphan.js', import.meta.url).href)}
  noOrphan(spawn('sleep', ['1000'], { stdio: ['ignore', 'inherit', 'ignore'] }), 'KILL')
  process.stdout.write('begun')
`

it('a server does not outlive a process that was killed', async () => {
  const starter = spawn(process.execPath, ['--input-type=module', '-e', STARTER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  expect(String(await once(starter.stdout, 'data'))).toBe('begun')
  starter.kill('SIGKILL')
  // Nobody can write there any more.
  await once(starter.stdout.resume(), 'end')
})
