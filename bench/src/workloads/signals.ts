/** From an answer to what waits for it: signals and approvals, in the same and in another process; and beside peers. */
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { forkChild, within } from '../children.ts'
import type { Contender, SignalKind, SignalSender } from '../contender.ts'
import { contender, contenders } from '../contenders/all.ts'
import { install, peerFolder } from '../install.ts'
import { bars } from '../plot.ts'
import { figure } from '../report.ts'
import { scratchFolder } from '../scratch.ts'
import { server } from '../servers.ts'
import { quantile, spread } from '../statistics.ts'
import type { Workload } from '../workload.ts'

const WAYS: readonly (readonly [SignalKind, SignalSender])[] = [
  ['signal', 'same process'],
  ['signal', 'another process'],
  ['approval', 'same process'],
  ['approval', 'another process'],
]
const WARM_UP = 10
const ROUNDS = 5
/** Of a peer that does not come to its end. */
const PATIENCE_MS = 40_000

export const signals: Workload = {
  name: 'approvals',
  async measure({ quick, takesPart }) {
    const { signals } = contender('selvage')
    if (signals === undefined) throw new Error('no signals to measure')
    const count = WARM_UP + (quick ? 20 : 50)
    const rounds = quick ? 1 : ROUNDS
    const latencies = new Map<string, number[]>()
    const absent: string[] = []
    const waking = contenders().filter(({ name, peer }) => peer?.wakes !== undefined && takesPart(name))
    for (let round = 0; round < rounds; round++) {
      for (const [kind, sender] of WAYS) {
        const measured = await signals(scratchFolder(), count, sender, kind)
        if (measured.length !== count) throw new Error(`${count} were sent, ${measured.length} were heard`)
        const label = `Selvage: ${kind}, ${sender}`
        latencies.set(label, [...(latencies.get(label) ?? []), ...measured.slice(WARM_UP)])
      }
      // A few seconds each, for what half a dozen answers say as well.
      for (const peer of round < 2 ? waking : []) {
        const { title } = peer
        if (absent.some((note) => note.includes(title))) continue
        try {
          const measured = await wakes(peer, quick ? 5 : 20)
          latencies.set(title, [...(latencies.get(title) ?? []), ...measured])
        } catch (error) {
          latencies.delete(title)
          absent.push(`**${title}** is missing here: ${error instanceof Error ? error.message : String(error)}.`)
        }
      }
    }
    const rows = [...latencies].map(([label, values]) => [
      label,
      ...[0.5, 0.9, 0.99, 1].map((q) => figure(quantile(values, q))),
      figure(values.length),
    ])
    return {
      title: 'From an answer to the next step',
      how:
        'A suspended run waits for a signal, or for a person’s answer to `ctx.approval`, and makes a step when it comes. ' +
        'Milliseconds from before `run.signal()` or `run.approve()` to the step’s first line: the commit of the signal, ' +
        'the wake-up, the claim and one more commit lie between. Peers are sent what they have for it by the process ' +
        `that works: \`sendSignal\`, \`DBOS.send\`, an awakeable. Durability full, ${rounds} interleaved rounds.`,
      tables: [{ head: ['', 'p50', 'p90', 'p99', 'worst', 'answers'], rows }],
      verdicts: [],
      plots: [
        bars({
          file: 'approvals.svg',
          title: 'From an answer to the next step: milliseconds',
          bars: [...latencies].map(([label, values]) => {
            const { median, low, high } = spread(values)
            return { label, value: median, low, high, kind: label.startsWith('Selvage') ? 'ours' : 'peer' }
          }),
        }),
      ],
      notes: ['Each was heard exactly once, counted.', ...absent],
    }
  },
}

async function wakes({ title, peer, server: kind }: Contender, count: number): Promise<readonly number[]> {
  if (peer?.wakes === undefined) throw new Error(`${title} has nothing to wake`)
  await install(peer.folder)
  const addresses = kind === undefined ? [] : await (await server(kind)).addresses()
  const folder = scratchFolder()
  const program = pathToFileURL(join(peerFolder(peer.folder), peer.wakes))
  const child = forkChild(program, [folder, String(count), ...addresses], { cwd: folder })
  try {
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`it ended with code ${code} and no figures`)
    })
    const [measured] = await within(PATIENCE_MS, `${count} wake-ups`, Promise.race([once(child, 'message'), ended]))
    if ((measured as number[]).length !== count) throw new Error(`${count} were sent, ${measured.length} were heard`)
    return measured as number[]
  } finally {
    child.kill('SIGKILL')
  }
}
