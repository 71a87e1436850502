/** The host of a worker, or of a test: what runs these programs on that engine. */
import { createHost, type HostOptions } from '../fibers/host.ts'
import type { Engine, Host, Program, Runtime } from '../ports.ts'

export function hostOn(
  engine: Engine,
  runtime: Runtime,
  programs: readonly Program[],
  more: Pick<HostOptions, 'offloadBytes'> = {},
): Host {
  const { manifest, blobs } = engine
  const kept = blobs === undefined ? {} : { blobs }
  return createHost({ runtime, manifest, programs: () => programs, outbound: engine, ...kept, ...more })
}
