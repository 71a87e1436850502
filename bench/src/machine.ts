/** Where figures come from. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { figure } from './report.ts'
import { fileSystem, scratchFolder } from './scratch.ts'
import { spread } from './statistics.ts'

export interface Machine {
  readonly [fact: string]: string
}

export function machine(): Machine {
  const { median, high, max } = syncTimes()
  return {
    processor: `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${figure(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()}`,
    disk:
      `${fileSystem()}; a 4 KiB write and fdatasync takes ` +
      `${figure(median)} ms (p75 ${figure(high)}, worst ${figure(max)})`,
    node: `${process.version}, SQLite ${process.versions.sqlite}`,
    'load before the run': loadavg().map(figure).join(', '),
  }
}

function syncTimes(): ReturnType<typeof spread> {
  const file = openSync(join(scratchFolder(), 'sync'), 'w')
  const page = new Uint8Array(4096)
  const times: number[] = []
  for (let n = 0; n < 200; n++) {
    const began = performance.now()
    writeSync(file, page)
    fdatasyncSync(file)
    times.push(performance.now() - began)
  }
  closeSync(file)
  return spread(times)
}
