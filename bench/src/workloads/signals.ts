/** From an answer to what waits for it. */
import type { SignalSender } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { figure } from '../report.ts'
import { scratchFolder } from '../scratch.ts'
import { quantile } from '../statistics.ts'
import type { Workload } from '../workload.ts'

const SENDERS: readonly SignalSender[] = ['same process', 'another process']
const WARM_UP = 20
const ROUNDS = 5

export const signals: Workload = {
  name: 'signals',
  async measure({ quick }) {
    const { signals } = contender('selvage')
    if (signals === undefined) throw new Error('no signals to measure')
    const count = WARM_UP + (quick ? 60 : 200)
    const latencies = new Map<SignalSender, number[]>(SENDERS.map((sender) => [sender, []]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const sender of SENDERS) {
        const measured = await signals(scratchFolder(), count, sender)
        if (measured.length !== count) throw new Error(`${count} signals were sent, ${measured.length} were heard`)
        latencies.get(sender)?.push(...measured.slice(WARM_UP))
      }
    }
    const rows = [...latencies].map(([sender, values]) => [
      `sent by ${sender === 'same process' ? 'the process that works' : sender}`,
      ...[0.5, 0.9, 0.99, 1].map((q) => figure(quantile(values, q))),
      figure(values.length),
    ])
    return {
      title: 'From a signal to the next step',
      how:
        'A suspended run waits for a signal and makes a step when it comes. Milliseconds from before ' +
        '`run.signal()` to the step’s first line: the signal’s commit, the wake-up, the claim and one more ' +
        `commit lie between. Durability full, ${ROUNDS} interleaved rounds.`,
      tables: [{ head: ['', 'p50', 'p90', 'p99', 'worst', 'signals'], rows }],
      verdicts: [],
      notes: ['Each signal was heard exactly once, counted.'],
    }
  },
}
