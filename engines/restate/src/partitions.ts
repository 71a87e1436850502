/**
 * Where in Restate a run lies, so that a read of one run does not go through all of them.
 *
 * Restate spreads its objects by a hash of their keys, `partition_key` in its SQL: XXH3 of 64 bits over the key in UTF-8 and
 * a byte 255 (as Rust hashes a string). A row is found by that number; a condition on the key alone is looked for in every
 * row. No documentation promises the hash, so the server is asked for one of its own before the first read: where that
 * disagrees, reads are what they would be without, right and slow.
 */
import { xxhash3 } from 'hash-wasm'
import { quoted, type RestateServer } from './server.ts'

interface Hashed {
  readonly service_key: string
  /** As text: it is longer than JavaScript's integers. */
  readonly partition: string
}

export class Partitions {
  private readonly server: RestateServer
  /** Asked of the server, once at a time. */
  private comparing: Promise<boolean | undefined> | undefined

  constructor(server: RestateServer) {
    this.server = server
  }

  /** In SQL: a column that holds keys is one of these. Of a table that has `partition_key`. */
  async among(column: string, keys: readonly string[]): Promise<string> {
    const each = [...new Set(keys)]
    const isKey = `${column} in (${each.map(quoted).join(', ')})`
    if (!(await this.known())) return isKey
    return `partition_key in (${(await Promise.all(each.map(partitionOf))).join(', ')}) and ${isKey}`
  }

  /** Whether the server hashes as it is done here. Not known while it holds nothing, or could not be asked. */
  private async known(): Promise<boolean> {
    const comparing = this.comparing ?? this.compared()
    this.comparing = comparing
    try {
      const isAsHere = await comparing
      if (isAsHere === undefined) this.forget(comparing)
      return isAsHere ?? false
    } catch (error) {
      this.forget(comparing)
      throw error
    }
  }

  private forget(comparing: Promise<boolean | undefined>): void {
    if (this.comparing === comparing) this.comparing = undefined
  }

  private async compared(): Promise<boolean | undefined> {
    const [row] = await this.server.query<Hashed>(
      'select service_key, cast(partition_key as varchar) as partition from state limit 1',
    )
    return row === undefined ? undefined : (await partitionOf(row.service_key)) === row.partition
  }
}

/** Decimal. */
async function partitionOf(key: string): Promise<string> {
  const text = new TextEncoder().encode(key)
  const bytes = new Uint8Array(text.length + 1)
  bytes.set(text)
  bytes[text.length] = 0xff
  return BigInt(`0x${await xxhash3(bytes)}`).toString()
}
