import type { Manifest } from '@selvage/core'

/** Why a section that kills processes is not for an engine. */
export function survivors({ survives }: Manifest): string | undefined {
  return survives === 'nothing' ? 'its runs do not survive their process' : undefined
}
