/** Folders on a disk that can lose power: in memory an fsync costs nothing, and every figure would flatter. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const IN_MEMORY = [0x01021994, 0x858458f6]
const FILE_SYSTEMS: { readonly [type: number]: string } = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  801189825: 'zfs',
  2035054128: 'overlayfs',
  16914836: 'tmpfs',
  26: 'apfs',
}

let root: string | undefined

/** A new one, gone when this process ends. SELVAGE_BENCH_DIR says where. */
export function scratchFolder(): string {
  root ??= makeRoot()
  return mkdtempSync(join(root, 's-'))
}

/** Servers put their data where the temporary folder of the system is. */
export function diskForServers(): void {
  if (isOnDisk(tmpdir())) return
  const folder = scratchFolder()
  // PostgreSQL runs as another user where we are root.
  for (const path of [root ?? folder, folder]) chmodSync(path, 0o755)
  process.env.TMPDIR = folder
}

export function fileSystem(): string {
  const { type } = statfsSync(scratchFolder())
  return FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`
}

function makeRoot(): string {
  const wished = process.env.SELVAGE_BENCH_DIR
  const parent = wished ?? [tmpdir(), '/var/tmp', process.cwd()].find(isOnDisk) ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  const made = mkdtempSync(join(parent, 'selvage-bench-'))
  process.on('exit', () => rmSync(made, { recursive: true, force: true }))
  return made
}

function isOnDisk(folder: string): boolean {
  try {
    return !IN_MEMORY.includes(statfsSync(folder).type)
  } catch {
    return false
  }
}
