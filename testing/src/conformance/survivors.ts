import type { Manifest } from '@selvage/core'
import type { Moment } from '../crash/kill-switch.ts'
import type { EngineUnderTest } from '../crash/under-test.ts'

/** Why a section that kills processes is not for an engine. */
export function survivors({ survives }: Manifest): string | undefined {
  return survives === 'nothing' ? 'its runs do not survive their process' : undefined
}

/** The moment itself, or, where this engine never comes to it, the one when a reply is on its way to the engine. */
export function reached(under: EngineUnderTest, moment: Moment): Moment {
  const never: { readonly [name in Moment]?: string } = under.neverHit ?? {}
  return never[moment] === undefined ? moment : 'host.before-reply'
}
