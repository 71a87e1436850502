/**
 * On which file systems SQLite's write-ahead log does not work: it is memory that processes share, and over a network they share
 * none. The numbers are those of Linux (statfs(2), `f_type`); elsewhere nothing is known.
 */
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'

const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x517b, 'SMB'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
])
/** Programs that play a file system: many of them over a network (sshfs, s3fs, gcsfuse). */
const FUSE = 0x65735546

export interface FileSystem {
  readonly name: string
  /** Whether several processes can work on one database there. */
  readonly shares: 'yes' | 'no' | 'perhaps'
}

/** `type`: `f_type` of it. */
export function fileSystemOf(type: number, platform: NodeJS.Platform = process.platform): FileSystem | undefined {
  if (platform !== 'linux') return undefined
  const network = NETWORK.get(type >>> 0)
  if (network !== undefined) return { name: network, shares: 'no' }
  return type >>> 0 === FUSE ? { name: 'FUSE', shares: 'perhaps' } : { name: 'local', shares: 'yes' }
}

export function fileSystemAt(path: string): FileSystem | undefined {
  return fileSystemOf(statfsSync(dirname(path)).type)
}
