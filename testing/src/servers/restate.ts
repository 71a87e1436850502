/**
 * A Restate server for tests: the binary that npm brings, on free ports of the loopback address, in a folder of its own. It
 * is killed by its pid; started again, it goes on with what it had on its disk.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { noOrphan } from './no-orphan.ts'
import { freePorts } from './ports.ts'

export interface RestateServerOptions {
  /** With the partitions and the memory that the server takes by itself. Else one partition and little: tests start many. */
  readonly asItComes?: boolean
  /** How long a worker may stand still before its runs are another one's, in milliseconds. Else as long as by default: a minute. */
  readonly patienceMs?: number
  /** A PEM file with the key that it signs its requests with. */
  readonly identityKeyFile?: string
}

const INSTALLED = fileURLToPath(new URL('../../servers/node_modules/@restatedev', import.meta.url))
const LOOK_AGAIN_MS = 20
const PATIENCE_MS = 60_000

/** Where the binary is: `SELVAGE_TEST_RESTATE`, else what `testing/servers` has installed. Undefined: nowhere. */
export function restateBinary(): string | undefined {
  const platform = `restate-server-${process.platform}-${process.arch}`
  const path = process.env.SELVAGE_TEST_RESTATE ?? join(INSTALLED, platform, 'bin/restate-server')
  return existsSync(path) ? path : undefined
}

/** Why there is no server to test with; undefined: there is one. */
export function noRestate(): string | undefined {
  if (restateBinary() !== undefined) return undefined
  return 'there is no restate-server: npm --prefix testing/servers ci, or SELVAGE_TEST_RESTATE=<path of the binary>'
}

export class RestateTestServer {
  readonly ingress: string
  readonly admin: string
  private readonly folder: string
  private readonly ports: readonly [fabric: number, ingress: number, admin: number]
  private readonly options: RestateServerOptions
  private child: ChildProcess | undefined

  static async open(options: RestateServerOptions = {}): Promise<RestateTestServer> {
    const [fabric = 0, ingress = 0, admin = 0] = await freePorts(3)
    const server = new RestateTestServer([fabric, ingress, admin], options)
    try {
      await server.start()
      return server
    } catch (error) {
      await server.close()
      throw error
    }
  }

  private constructor(ports: RestateTestServer['ports'], options: RestateServerOptions) {
    this.ports = ports
    this.options = options
    this.ingress = `http://127.0.0.1:${ports[1]}`
    this.admin = `http://127.0.0.1:${ports[2]}`
    this.folder = mkdtempSync(join(tmpdir(), 'selvage-restate-'))
  }

  get pid(): number {
    return this.child?.pid ?? 0
  }

  get log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8')
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const binary = restateBinary()
    if (binary === undefined) throw new Error(noRestate())
    const [fabric, ingress, admin] = this.ports
    const { identityKeyFile, asItComes, patienceMs } = this.options
    const log = openSync(join(this.folder, 'log'), 'a')
    const child = spawn(binary, ['--node-name', 'test', '--no-logo'], {
      env: {
        RESTATE_DISABLE_TELEMETRY: 'true',
        RESTATE_BASE_DIR: join(this.folder, 'data'),
        RESTATE_BIND_IP: '127.0.0.1',
        RESTATE_ADVERTISED_HOST: '127.0.0.1',
        RESTATE_LISTEN_MODE: 'tcp',
        RESTATE_BIND_PORT: String(fabric),
        RESTATE_INGRESS__BIND_PORT: String(ingress),
        RESTATE_ADMIN__BIND_PORT: String(admin),
        ...(asItComes !== true && {
          RESTATE_DEFAULT_NUM_PARTITIONS: '1',
          RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE: '256 MiB',
        }),
        RESTATE_LOG_FORMAT: 'compact',
        RESTATE_LOG_DISABLE_ANSI_CODES: 'true',
        ...(patienceMs !== undefined && {
          RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_INTERVAL: `${patienceMs / 2}ms`,
          RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_TIMEOUT: `${patienceMs / 2}ms`,
        }),
        ...(identityKeyFile !== undefined && {
          RESTATE_WORKER__INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE: identityKeyFile,
        }),
      },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.child = child
    noOrphan(child, 'KILL')
    const until = Date.now() + PATIENCE_MS
    while (!((await answers(`${this.admin}/health`)) && (await answers(`${this.ingress}/restate/health`)))) {
      if (child.exitCode !== null || Date.now() > until) throw new Error(`restate-server did not start: ${this.log}`)
      await sleep(LOOK_AGAIN_MS)
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { child } = this
    this.child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => void child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  async close(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}
