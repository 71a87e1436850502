/** Where figures come from. */
import { spawnSync } from 'node:child_process'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { figure } from './report.ts'
import { fileSystem, scratchFolder } from './scratch.ts'
import { spread } from './statistics.ts'

const REPOSITORY = new URL('../../', import.meta.url)

export interface Machine {
  readonly [fact: string]: string
}

/** What the bench itself writes is no change of the code. */
const WRITTEN = [':!bench/RESULTS*.md', ':!bench/plots']

export function machine(): Machine {
  const { median, high, max } = syncTimes()
  const code = commit()
  return {
    ...(code === undefined ? {} : { code }),
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

/** What was measured; undefined where there is no git. */
function commit(): string | undefined {
  const head = git('rev-parse', '--short', 'HEAD')
  if (head === undefined) return undefined
  const changes = git('status', '--porcelain', '--', '.', ...WRITTEN)
  return `commit ${head}${changes === '' ? '' : ' + changes'}`
}

function git(...what: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync('git', what, { cwd: REPOSITORY, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
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
