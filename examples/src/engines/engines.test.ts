import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import {
  freePorts,
  LambdaTestService,
  noPostgres,
  noRestate,
  PostgresTestServer,
  RestateTestServer,
} from '@selvage/testing/servers'
import { describe, expect, it } from 'vitest'
import { run, temporaryFolder } from '../../test/process.ts'

const TEXT = 'On Q4 market trends:'

/** Killed in the middle of the agent, and run again. */
async function killedOnce(file: string, env: { readonly [name: string]: string }): Promise<void> {
  const cwd = temporaryFolder()
  const first = run(file, { cwd, env })
  await first.printed('search: Q4 market trends, outlook')
  first.kill()
  expect(await first.ended).toMatchObject({ signal: 'SIGKILL' })
  const { code, stdout, stderr } = await run(file, { cwd, env }).ended
  expect(code, stderr).toBe(0)
  expect(stdout).toContain(TEXT)
  expect(stdout.trimEnd().endsWith('\npublished')).toBe(true)
  // What was recorded before the kill is not asked for again.
  expect(stderr).not.toContain('offline model: answer 1 ')
  expect(readFileSync(join(cwd, 'published.md'), 'utf8').split(TEXT)).toHaveLength(2)
}

describe('one program', { timeout: 120_000 }, () => {
  it('on the embedded engine', () => killedOnce('engines/embedded.js', {}))

  const missing = noRestate()
  if (missing !== undefined) console.info(`restate: skipped: ${missing}`)
  it.skipIf(missing !== undefined)('on Restate', async () => {
    const server = await RestateTestServer.open()
    const [port = 0] = await freePorts(1)
    const { ingress, admin } = server
    try {
      await killedOnce('engines/restate.js', {
        RESTATE_INGRESS: ingress,
        RESTATE_ADMIN: admin,
        PORT: String(port),
      })
    } finally {
      await server.close()
    }
  })

  it.skipIf(missing !== undefined)('and its agent inside of a handler of yours, on Restate', async () => {
    const server = await RestateTestServer.open()
    const [port = 0, deskPort = 0] = await freePorts(2)
    const { ingress, admin } = server
    try {
      await killedOnce('engines/inside-restate.js', {
        RESTATE_INGRESS: ingress,
        RESTATE_ADMIN: admin,
        PORT: String(port),
        DESK_PORT: String(deskPort),
      })
    } finally {
      await server.close()
    }
  })

  const noServer = noPostgres()
  if (noServer !== undefined) console.info(`postgres, dbos: skipped: ${noServer}`)
  it.skipIf(noServer !== undefined)('on the embedded engine, in PostgreSQL', async () => {
    const server = await PostgresTestServer.open()
    try {
      await killedOnce('engines/postgres.js', { DATABASE_URL: await server.createDatabase() })
    } finally {
      await server.close()
    }
  })

  it.skipIf(noServer !== undefined)('on DBOS', async () => {
    const server = await PostgresTestServer.open()
    try {
      await killedOnce('engines/dbos.js', { DATABASE_URL: await server.createDatabase() })
    } finally {
      await server.close()
    }
  })

  // Here it is an invocation that dies: who asked for the run only waits.
  it('in a Lambda function, on the loopback service', async () => {
    const cwd = temporaryFolder()
    const handler = new URL('../../dist/engines/lambda-function.js', import.meta.url).href
    const service = await LambdaTestService.open({ handler, cwd, secondMs: 50, env: { SELVAGE_PROVIDER: 'offline' } })
    try {
      const caller = run('engines/lambda.js', { cwd, env: { ...service.env, FUNCTION: 'runs' } })
      const begun = (name: string): boolean =>
        service.executions.some(({ events }) => events.some(({ Name }) => Name?.includes(name) === true))
      await expect.poll(() => begun('model#2'), { timeout: 60_000 }).toBe(true)
      for (const pid of service.working) process.kill(pid, 'SIGKILL')
      const { code, stdout, stderr } = await caller.ended
      expect(code, stderr).toBe(0)
      expect(stdout).toContain(TEXT)
      expect(stdout.trimEnd().endsWith('\npublished')).toBe(true)
      expect(new Set(service.invocations.map(({ pid }) => pid)).size).toBeGreaterThan(2)
      expect(readFileSync(join(cwd, 'published.md'), 'utf8').split(TEXT)).toHaveLength(2)
    } finally {
      await service.close()
    }
  })

  it('and its agent inside of a durable handler of yours, on the loopback service', async () => {
    const cwd = temporaryFolder()
    const handler = new URL('../../dist/engines/inside-lambda.js', import.meta.url).href
    const service = await LambdaTestService.open({ handler, cwd, secondMs: 50, env: { SELVAGE_PROVIDER: 'offline' } })
    const client = new LambdaClient({
      endpoint: service.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    })
    try {
      const asked = { FunctionName: 'runs', InvocationType: 'Event', DurableExecutionName: 'q4' } as const
      await client.send(new InvokeCommand({ ...asked, Payload: Buffer.from('{"topic":"Q4 market trends"}') }))
      const [execution] = service.executions
      const begun = (step: string): number =>
        execution?.events.filter(({ Name, EventType }) => Name === step && EventType === 'StepStarted').length ?? 0
      await expect.poll(() => begun('model#2'), { timeout: 60_000 }).toBe(1)
      for (const pid of service.working) process.kill(pid, 'SIGKILL')
      await expect.poll(() => execution?.status, { timeout: 60_000 }).toBe('SUCCEEDED')
      expect(execution?.result).toContain(TEXT)
      expect([begun('title'), begun('model#1'), begun('model#2')]).toEqual([1, 1, 2])
      expect(new Set(service.invocations.map(({ pid }) => pid)).size).toBeGreaterThan(1)
      expect(readFileSync(join(cwd, 'published.md'), 'utf8').split(TEXT)).toHaveLength(2)
    } finally {
      client.destroy()
      await service.close()
    }
  })
})
