/** The peer that comes nearest to a step of ours, with the same durability. */
import type { StepShape } from '../contender.ts'
import { contender } from '../contenders/all.ts'
import { decisions } from '../decision.ts'
import { figure, type Verdict, withQuartiles } from '../report.ts'
import { ratios, spread } from '../statistics.ts'

const PROMISED_FASTER = 3
export const OURS = 'selvage'

export function besideNearest(
  { bytes }: StepShape,
  times: ReadonlyMap<string, readonly number[]>,
  syncs: ReadonlyMap<string, string>,
): Verdict {
  const peers = [...times].filter(([name]) => isPeer(name) && contender(name).durability('full') !== undefined)
  const [nearest] = peers
    .map(([name, own]) => ({ name, ratio: spread(ratios(own, times.get(OURS) ?? [])) }))
    .sort((a, b) => a.ratio.median - b.ratio.median)
  return {
    what: `a step of ${figure(bytes)} B beside any peer with the same durability`,
    promised: `≥ ${PROMISED_FASTER} × faster`,
    measured: nearest === undefined ? '–' : `${withQuartiles(nearest.ratio)}, ${contender(nearest.name).title}`,
    kept: nearest !== undefined && nearest.ratio.median >= PROMISED_FASTER,
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
  const micros = (of: string): number => spread(times.get(of) ?? []).median
  const [peer, floor] = [micros(name), micros('bare-sqlite')]
  const wanted = peer / PROMISED_FASTER
  const counted = syncs.has(name) ? ` (syncs a step, counted: ${syncs.get(name)} there, ${syncs.get(OURS)} here)` : ''
  return (
    `${contender(name).title} takes ${figure(peer)} µs, we ${figure(micros(OURS))}, a bare commit ${figure(floor)}, medians of this run. ` +
    `Both wait for the disk first of all${counted}: for ${PROMISED_FASTER} times as fast ours would have to take ${figure(wanted)} µs, ` +
    `${wanted < floor ? 'less than the bare commit' : `${figure(wanted - floor)} beyond the bare commit`}. ` +
    decisions('What ours computes', '0012-what-a-step-costs')
  )
}

export function isPeer(name: string): boolean {
  return contender(name).peer !== undefined && !name.startsWith('bare-')
}
