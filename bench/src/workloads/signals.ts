/** From an answer to what waits for it: signals and approvals, in the same and in another process; and beside peers. */
import type { SignalKind, SignalSender, Wakes } from '../contender.ts'
import { contender, contenders } from '../contenders/all.ts'
import { bars } from '../plot.ts'
import { figure, ofRounds, type Section } from '../report.ts'
import { fewer, interleave } from '../rounds.ts'
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
const ROUNDS = { quick: 1, whole: 5 }
/** In a round, for all alike; as many before the first one to warm up. */
const COUNT = { quick: 4, whole: 15 }

/** Somebody who is sent what it waits for. */
interface Waiting {
  readonly label: string
  /** Leaves with a reason where it fails; ours may not. */
  readonly isPeer: boolean
  open(): Promise<Wakes>
}

export const signals: Workload = {
  name: 'approvals',
  besidePeers: true,
  withServers: true,
  async measure({ quick, takesPart, until }) {
    const { signals } = contender('selvage')
    if (signals === undefined) throw new Error('no signals to measure')
    const mode = quick ? 'quick' : 'whole'
    const count = COUNT[mode]
    const latencies = new Map<string, number[]>()
    const absent = new Map<string, string>()
    const lost = new Map<string, number>()
    const ours = WAYS.map(
      ([kind, sender]): Waiting => ({
        ...{ label: `Selvage: ${kind}, ${sender}`, isPeer: false },
        open: () => signals(scratchFolder(), sender, kind),
      }),
    )
    const peers = contenders()
      .filter(({ name, peer }) => peer?.wakes !== undefined && takesPart(name))
      .map((peer): Waiting => ({ label: peer.title, isPeer: true, open: () => peerWakes(peer) }))
    const attempt = async <T>({ label, isPeer }: Waiting, work: () => Promise<T>): Promise<T | undefined> => {
      if (absent.has(label)) return undefined
      try {
        return await work()
      } catch (error) {
        if (!isPeer) throw error
        absent.set(label, error instanceof Error ? error.message : String(error))
        return undefined
      }
    }
    let rounds = 0
    const section = (): Section => ({
      title: 'From an answer to the next step',
      how:
        'A suspended run waits for a signal, or for a person’s answer to `ctx.approval`, and makes a step when it comes. ' +
        'Milliseconds from before `run.signal()` or `run.approve()` to the step’s first line: the commit of the signal, ' +
        'the wake-up, the claim and one more commit lie between. Peers are sent what they have for it by the process ' +
        `that works: \`sendSignal\`, \`DBOS.send\`, an awakeable. Each has processes of its own, kept from round to ` +
        `round and warmed up by ${count} answers. Durability full, ${ofRounds(rounds)}, interleaved.`,
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
        lost.size === 0
          ? 'Each was heard exactly once, counted.'
          : 'Each but those told of here was heard exactly once, counted.',
        ...[...lost].map(
          ([label, count]) =>
            `${label}: ${count} more were accepted and woke nobody within 3 s: the signal came while the run was about to ` +
            'be put aside. They are not in its figures.',
        ),
        'OpenWorkflow looks for work every tenth of a second at first and every second once it has found none for a while: here ' +
          'an answer comes soon after its question, and finds it looking often.',
        'Not measured: LangGraph’s interrupts, where an answer is a new call of the graph from outside, and the hooks of ' +
          'Vercel Workflow.',
        ...[...absent].map(([title, reason]) => `**${title}** is missing here: ${reason}.`),
        ...fewer(rounds, quick ? 'quick' : 'the time of this section was over'),
      ],
    })
    const all = [...ours, ...peers]
    // Not timed: all at once.
    const opened = await Promise.all(all.map((each) => attempt(each, each.open)))
    for (const [index, each] of all.entries()) await attempt(each, async () => opened[index]?.wake(count))
    const blocks = all.map((each, index) => async () => {
      const wakes = opened[index]
      if (wakes === undefined) return
      const heard = await attempt(each, () => wakes.wake(count))
      if (heard === undefined) return
      const woken = heard.filter((ms) => ms !== null)
      latencies.set(each.label, [...(latencies.get(each.label) ?? []), ...woken])
      if (woken.length === heard.length) return
      if (!each.isPeer) throw new Error(`${each.label}: ${heard.length} were sent, ${woken.length} were heard`)
      lost.set(each.label, (lost.get(each.label) ?? 0) + heard.length - woken.length)
    })
    const played = await interleave(blocks, { warmUp: 0, rounds: ROUNDS[mode], until })
    rounds = played[0]?.length ?? 0
    for (const wakes of opened) wakes?.end()
    return section()
  },
}
