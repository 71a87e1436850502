/** The servers that some contenders need, started when the first one asks, with their data on a disk. */
import { PostgresTestServer, RestateTestServer } from '@selvage/testing/servers'
import { within } from './children.ts'
import { diskForServers } from './scratch.ts'

export type ServerName = 'postgres' | 'restate'

interface Server {
  readonly pid: number
  /** What a contender is told: on PostgreSQL the URL of a database of its own; on Restate ingress and admin. */
  addresses(): Promise<readonly string[]>
  close(): Promise<void>
}

const START_MS = 90_000
/** On which an acknowledgement hangs. */
const MUST_BE_ON = ['fsync', 'synchronous_commit', 'full_page_writes']
const versions = new Map<string, string>()
const started = new Map<ServerName, Promise<Server>>()

/** Rejects with the reason where there is none. */
export function server(name: ServerName): Promise<Server> {
  const known = started.get(name)
  if (known !== undefined) return known
  diskForServers()
  const opening = within(START_MS, `the start of ${name}`, name === 'postgres' ? postgres() : restate())
  started.set(name, opening)
  return opening
}

/** Of those that were started, as they say themselves; what of PostgreSQL's settings was read back. */
export function serverVersions(): { readonly [server: string]: string } {
  return Object.fromEntries(versions)
}

export async function closeServers(): Promise<void> {
  for (const opening of started.values()) {
    await opening.then(
      (open) => open.close(),
      () => {},
    )
  }
  started.clear()
}

async function postgres(): Promise<Server> {
  const open = await PostgresTestServer.open()
  try {
    for (const name of MUST_BE_ON) {
      const value = await open.setting(name)
      if (value !== 'on') throw new Error(`PostgreSQL has ${name} ${value}: its figures would flatter`)
    }
    versions.set('PostgreSQL', `${await open.setting('server_version')}, ${MUST_BE_ON.join(', ')} on`)
  } catch (error) {
    await open.close()
    throw error
  }
  return { pid: open.pid, addresses: async () => [await open.createDatabase()], close: () => open.close() }
}

async function restate(): Promise<Server> {
  const open = await RestateTestServer.open({ asItComes: true })
  // PostgreSQL sees to this itself.
  process.once('exit', () => open.pid > 0 && process.kill(open.pid, 'SIGKILL'))
  versions.set('Restate server', await restateVersion(open.admin))
  return { pid: open.pid, addresses: async () => [open.ingress, open.admin], close: () => open.close() }
}

async function restateVersion(admin: string): Promise<string> {
  try {
    const { version } = (await (await fetch(`${admin}/version`)).json()) as { readonly version: string }
    return version
  } catch {
    return 'it does not tell its version'
  }
}
