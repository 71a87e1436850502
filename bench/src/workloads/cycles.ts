/**
 * What an agent costs by the number of its cycles: the SDK's own loop, and a durable one, with and without the seam; the
 * SDK's own ways of keeping a run; what is stored, and which calls each way makes again when its process is killed.
 */

import { type Repeated, repeatedByKill } from '../cycles/repeated.ts'
import type { Plot } from '../plot.ts'
import { figure, type Section, type Table, type Verdict } from '../report.ts'
import type { Workload } from '../workload.ts'
import { SIZES } from './cycle-sizes.ts'
import { cyclesPlot, cyclesTable, labelOf, shareOfPlain, storedRow } from './cycle-tables.ts'
import { measureWays } from './measure-ways.ts'

const PROMISED = { share: 0.05, cycles: 5_000, resultBytes: 200 }
const WHY =
  'a durable cycle is two commits, each with its fsync (*µs a cycle*); the SDK’s own loop, with the seam, is a good part of the ' +
  'rest (*plain, with the seam*). The profile of a step is in ' +
  '[decision 0012](../docs/decisions/0012-what-a-step-costs.md)'

export const cycles: Workload = {
  name: 'cycles',
  async measure({ quick, until, save }) {
    let kill: Repeated | undefined
    const tables: Table[] = []
    const stored: (readonly string[])[] = []
    const verdicts: Verdict[] = []
    const plots: Plot[] = []
    const notes: string[] = []
    const section = (): Section => ({
      title: 'An agent by its cycles',
      how:
        'One agent (the real one: Strands SDK, `selvage.agent`) with a model and a tool that answer at once, one tool call a ' +
        'cycle; each run in a process of its own, from the first line after the imports to the result. Durable runs are ' +
        'managed ones on the embedded engine with durability full, opening and closing included: two commits a cycle, each ' +
        'with its fsync. The seam is what `linear` switches off (agents/strands/src/linear.ts): two things that the SDK’s ' +
        'loop does to all messages in each cycle. *Peak*: the process’s own high-water mark (VmHWM). *Written*: all that ' +
        'the process gave to `write`. Then what is stored: the database file of *durable, with the seam*, closed, with ' +
        'everything in it (schema, indexes, the run), beside the sum of `JSON.stringify(message.toJSON())` over all ' +
        'messages of the conversation.',
      tables: [
        ...tables,
        { caption: '**Stored bytes**', head: ['', 'messages', 'messages KiB', 'file KiB', 'ratio'], rows: stored },
        ...(kill === undefined ? [] : [kill.table]),
      ],
      verdicts: [...verdicts, ...(kill === undefined ? [] : [kill.verdict])],
      plots,
      notes: [
        ...notes,
        'In every run the calls of model and tool were counted: one of each a cycle, and one more of the model.',
        'SessionManager (FileStorage, saveLatestOn: message) writes without fsync; so does checkpointing, which ' +
          'needs it, and whose checkpoints are kept in a file besides.',
        kill?.note ?? 'What a kill repeats: left out, as the time of this section was over.',
      ],
    })
    if (!quick) kill = await repeatedByKill(200, 2)
    for (const size of SIZES[quick ? 'quick' : 'whole']) {
      const found = await measureWays(size, until)
      const label = labelOf(size)
      notes.push(...found.notes.map((note) => `${label}: ${note}.`))
      if (found.runs.size > 0) {
        tables.push(cyclesTable(size, found.runs))
        if (size.resultBytes === 200) plots.push(cyclesPlot(size, found.runs))
        if (size.why !== undefined) notes.push(`${label}: ${size.why}.`)
      }
      const bytes = storedRow(size, found.runs)
      if (bytes !== undefined) stored.push(bytes.row)
      verdicts.push(...(bytes?.verdicts ?? []))
      if (size.cycles === PROMISED.cycles && size.resultBytes === PROMISED.resultBytes) {
        verdicts.push(besidePlain(shareOfPlain(found.runs)))
      }
      save(section())
    }
    if (quick && performance.now() < until) kill = await repeatedByKill(200, 1)
    return section()
  },
}

function besidePlain(share: number): Verdict {
  return {
    what: `a durable agent of ${figure(PROMISED.cycles)} cycles beside the plain SDK`,
    promised: `≤ ${PROMISED.share} × its time`,
    measured: Number.isNaN(share) ? 'not measured' : share.toFixed(4),
    kept: share <= PROMISED.share,
    why: Number.isNaN(share) ? 'no time was left for one of the two' : WHY,
  }
}
