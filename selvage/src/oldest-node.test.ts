/** The embedded engine on the oldest Node that we promise: a real process of that version, killed and started again. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noOldestNode, oldestNode } from '@selvage/testing/servers'
import { expect, test } from 'vitest'

const missing = noOldestNode()
if (missing !== undefined) console.info(`oldest Node: skipped: ${missing}`)

test.skipIf(missing !== undefined)(
  'works on the oldest Node, and goes on where a kill has left it',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'selvage-oldest-'))
    try {
      const run = (...args: readonly string[]): ReturnType<typeof spawnSync> => {
        const script = join(import.meta.dirname, '../test/oldest-node-process.mjs')
        return spawnSync(oldestNode() ?? '', [script, join(folder, 'a.db'), ...args], {
          encoding: 'utf8',
          timeout: 50_000,
        })
      }
      expect(run('dies').signal).toBe('SIGKILL')
      const { stdout, stderr, status } = run()
      expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.not.stringContaining('Error') })
      expect(JSON.parse(String(stdout))).toMatchObject({
        node: expect.stringMatching(/^v22\.13\./),
        result: [21, 50_000, 42, 'go', true],
        said: ['Done.'],
        sent: [1, 2],
        // Its agent may be collected as garbage before the end of its process, or not.
        statuses: {
          order: 'completed',
          inline: expect.stringMatching(/^(running|pending)$/),
          broken: 'failed',
          nap: 'cancelled',
        },
        tagged: ['order'],
        claims: 2,
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  60_000,
)
