/** What an agent leaves on disk, beside the messages that it is about. */
import { statSync } from 'node:fs'
import { contender } from '../contenders/all.ts'
import { figure, type Verdict } from '../report.ts'
import { scratchFolder } from '../scratch.ts'
import type { Workload } from '../workload.ts'

const PROMISED: { readonly [resultBytes: number]: number } = { 200: 1.3, 4000: 1.1 }

export const bytes: Workload = {
  name: 'bytes',
  async measure({ quick }) {
    const { agent, databaseFile } = contender('selvage')
    if (agent === undefined || databaseFile === undefined) throw new Error('no agent to measure')
    const rows: string[][] = []
    const verdicts: Verdict[] = []
    for (const cycles of quick ? [50, 500] : [50, 500, 5_000]) {
      for (const resultBytes of [200, 4_000]) {
        const folder = scratchFolder()
        const { messageBytes, messages, ms } = await agent(folder, { cycles, resultBytes })
        const stored = statSync(databaseFile(folder)).size
        const ratio = stored / messageBytes
        const promised = PROMISED[resultBytes] ?? 0
        rows.push([
          `${figure(cycles)} cycles, results of ${figure(resultBytes)} B`,
          figure(messages),
          figure(messageBytes / 1_024),
          figure(stored / 1_024),
          ratio.toFixed(3),
          figure(ms / 1_000),
        ])
        if (cycles < 500) continue
        verdicts.push({
          what: `stored bytes, ${figure(cycles)} cycles, ${figure(resultBytes)} B`,
          promised: `≤ ${promised} × messages`,
          measured: ratio.toFixed(3),
          kept: ratio <= promised,
        })
      }
    }
    return {
      title: 'Stored bytes',
      how:
        'A managed agent (the real one: Strands SDK, `selvage.agent`) with a scripted model and one tool call a ' +
        'cycle, both of which answer at once. The database file after its last checkpoint, with everything in it ' +
        '(schema, indexes, the run), beside the sum of `JSON.stringify(message.toJSON())` over all messages of ' +
        'the conversation.',
      tables: [{ head: ['', 'messages', 'messages KiB', 'file KiB', 'ratio', 'run s'], rows }],
      verdicts,
      notes: ['Sizes do not vary from round to round; nothing is interleaved here.'],
    }
  },
}
