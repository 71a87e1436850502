/** From an answer to what waits for it: signals and approvals, in the same and in another process; and beside peers. */
import type { SignalKind, SignalSender } from '../contender.ts'
import { contender, contenders } from '../contenders/all.ts'
import { bars } from '../plot.ts'
import { figure, ofRounds, type Section } from '../report.ts'
import { fewer } from '../rounds.ts'
import { scratchFolder } from '../scratch.ts'
import { quantile, spread } from '../statistics.ts'
import type { Workload } from '../workload.ts'
import { peerWakes } from './peer-wakes.ts'

const WAYS: readonly (readonly [SignalKind, SignalSender])[] = [
  ['signal', 'same process'],
  ['signal', 'another process'],
  ['approval', 'same process'],
  ['approval', 'another process'],
]
const WARM_UP = 5
const ROUNDS = { quick: 1, whole: 5 }
/** In a round. A peer takes a tenth of a second and more for each. */
const COUNT = { quick: { ours: 15, peers: 4 }, whole: { ours: 30, peers: 6 } }

export const signals: Workload = {
  name: 'approvals',
  besidePeers: true,
  async measure({ quick, takesPart, until, save }) {
    const { signals } = contender('selvage')
    if (signals === undefined) throw new Error('no signals to measure')
    const mode = quick ? 'quick' : 'whole'
    const { ours, peers } = COUNT[mode]
    const latencies = new Map<string, number[]>()
    const absent = new Map<string, string>()
    const heard = (label: string, values: readonly number[]): void => {
      latencies.set(label, [...(latencies.get(label) ?? []), ...values])
    }
    const waking = contenders().filter(({ name, peer }) => peer?.wakes !== undefined && takesPart(name))
    let rounds = 0
    const section = (): Section => ({
      title: 'From an answer to the next step',
      how:
        'A suspended run waits for a signal, or for a person’s answer to `ctx.approval`, and makes a step when it comes. ' +
        'Milliseconds from before `run.signal()` or `run.approve()` to the step’s first line: the commit of the signal, ' +
        'the wake-up, the claim and one more commit lie between. Peers are sent what they have for it by the process ' +
        `that works: \`sendSignal\`, \`DBOS.send\`, an awakeable. Durability full, ${ofRounds(rounds)}, interleaved.`,
      tables: [
        {
          head: ['', 'p50', 'p90', 'p99', 'worst', 'answers'],
          rows: [...latencies].map(([label, values]) => [
            label,
            ...[0.5, 0.9, 0.99, 1].map((q) => figure(quantile(values, q))),
            figure(values.length),
          ]),
        },
      ],
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
      notes: [
        'Each was heard exactly once, counted.',
        'Not measured: LangGraph’s interrupts, where an answer is a new call of the graph from outside, and the hooks of ' +
          'Vercel Workflow.',
        ...[...absent].map(([title, reason]) => `**${title}** is missing here: ${reason}.`),
        ...fewer(rounds, quick ? 'quick' : 'the time of this section was over'),
      ],
    })
    while (rounds < ROUNDS[mode] && (rounds === 0 || performance.now() < until)) {
      for (const [kind, sender] of WAYS) {
        const measured = await signals(scratchFolder(), WARM_UP + ours, sender, kind)
        if (measured.length !== WARM_UP + ours) {
          throw new Error(`${WARM_UP + ours} were sent, ${measured.length} were heard`)
        }
        heard(`Selvage: ${kind}, ${sender}`, measured.slice(WARM_UP))
      }
      for (const peer of waking) {
        if (absent.has(peer.title)) continue
        try {
          if (performance.now() > until) {
            if (latencies.has(peer.title)) continue
            throw new Error('no time was left for it')
          }
          heard(peer.title, (await peerWakes(peer, peers + 1)).slice(1))
        } catch (error) {
          absent.set(peer.title, `${error instanceof Error ? error.message : error}, in round ${rounds + 1}`)
        }
      }
      rounds++
      save(section())
    }
    return section()
  },
}
