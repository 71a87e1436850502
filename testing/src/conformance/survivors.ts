import type { Manifest } from '@selvage/core'
import type { Moment } from '../crash/kill-switch.ts'
import type { EngineUnderTest } from '../crash/under-test.ts'

/** Why a section that kills processes is not for an engine. */
export function survivors({ survives }: Manifest): string | undefined {
  return survives === 'nothing' ? 'its runs do not survive their process' : undefined
}

/** The moment itself, or, where this engine never comes to it, the one when a reply is on its way to the engine. */
export function reached(under: EngineUnderTest, moment: Moment): Moment {
  return neverAt(under, moment) === undefined ? moment : 'host.before-reply'
}

/** Why this engine never comes to that moment. */
export function neverAt({ neverHit = {} }: EngineUnderTest, moment: Moment): string | undefined {
  const reasons: { readonly [name in Moment]?: string } = neverHit
  return reasons[moment]
}
