/** The peer that comes nearest to a step of ours, with the same durability. */
import type { StepShape } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { decisions } from '../decision.ts'
import { bothRatios, figure, type Verdict } from '../report.ts'
import { median, ratios } from '../statistics.ts'

const PROMISED_FASTER = 3
export const OURS = 'selvage'

export function besideNearest(
  { bytes }: StepShape,
  times: ReadonlyMap<string, readonly number[]>,
  syncs: ReadonlyMap<string, string>,
): Verdict {
  const peers = [...times].filter(([name]) => isPeer(name) && contender(name).durability('full') !== undefined)
  const ours = times.get(OURS) ?? []
  const [nearest] = peers
    .map(([name, own]) => ({ name, own, ratio: median(ratios(own, ours)) }))
    .sort((a, b) => a.ratio - b.ratio)
  return {
    what: `a step of ${figure(bytes)} B beside any peer with the same durability`,
    promised: `≥ ${PROMISED_FASTER} × faster`,
    measured: nearest === undefined ? '–' : `${bothRatios(nearest.own, ours)}, ${contender(nearest.name).title}`,
    kept: nearest !== undefined && nearest.ratio >= PROMISED_FASTER,
    why:
      nearest === undefined
        ? 'no peer with the same durability came through all rounds'
        : whyNear(nearest.name, times, syncs),
  }
}

function whyNear(
  name: string,
  times: ReadonlyMap<string, readonly number[]>,
  syncs: ReadonlyMap<string, string>,
): string {
  const micros = (of: string): number => median(times.get(of) ?? [])
  const [peer, ours, floor] = [micros(name), micros(OURS), micros('bare-sqlite')]
  const ratio = median(ratios(times.get(name) ?? [], times.get(OURS) ?? []))
  const tooMuch = ours * (1 - ratio / PROMISED_FASTER)
  const counted = syncs.has(name) ? ` (syncs a step, counted: ${syncs.get(name)} there, ${syncs.get(OURS)} here)` : ''
  return (
    `${contender(name).title} takes ${figure(peer)} µs, we ${figure(ours)}, a bare commit ${figure(floor)}, medians of all rounds, of which ` +
    `the first two make ${figure(peer / ours)}. It is judged within a round, where both have the same minute of the disk, and there the ` +
    `median is ${figure(ratio)}. Both wait for the disk first of all${counted}: for ${PROMISED_FASTER} ours would have to take ` +
    `${figure(tooMuch)} µs less, of the ${figure(ours - floor)} that it takes beyond the bare commit. ` +
    decisions('What ours computes', '0012-what-a-step-costs')
  )
}

export function isPeer(name: string): boolean {
  return contender(name).peer !== undefined && !name.startsWith('bare-')
}
