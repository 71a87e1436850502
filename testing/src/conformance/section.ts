import type { Manifest } from '@selvage/core'
import type { EngineUnderTest } from '../crash/under-test.ts'

/** What a section is given. */
export interface Kit {
  readonly under: EngineUnderTest
  readonly manifest: Manifest
}

/** One subject of conformance: registers its tests with vitest. */
export interface Section {
  readonly title: string
  /** Why engines of this manifest cannot pass it; undefined: they must. Nothing else skips a section. */
  skip?(manifest: Manifest): string | undefined
  register(kit: Kit): void
}
