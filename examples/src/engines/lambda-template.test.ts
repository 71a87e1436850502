/** The template is synthesised as SAM and CloudFormation would do it, offline, and held against what CloudFormation publishes. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type SamTemplate, synthesise, violations } from '../../test/synthesis.ts'

const text = readFileSync(join(import.meta.dirname, '../../lambda/template.yaml'), 'utf8')

describe('the template of the function', () => {
  const { Resources } = parse(text) as SamTemplate
  const stack = synthesise(text)
  const { Analyses, Blobs } = Resources
  const {
    ExecutionTimeout = 0,
    RetentionPeriodInDays = 0,
    ...others
  } = (Analyses?.Properties.DurableConfig ?? {}) as {
    ExecutionTimeout?: number
    RetentionPeriodInDays?: number
  }

  it('becomes resources of which CloudFormation knows each property', () => {
    expect(violations(stack)).toEqual([])
    const types = Object.fromEntries(Object.entries(stack.Resources).map(([name, { Type }]) => [name, Type]))
    expect(types).toEqual({
      Analyses: 'AWS::Lambda::Function',
      AnalysesRole: 'AWS::IAM::Role',
      AnalysesVersion: 'AWS::Lambda::Version',
      AnalysesAliaslive: 'AWS::Lambda::Alias',
      Blobs: 'AWS::S3::Bucket',
    })
  })

  it('gives the function its bucket, and the role what the engine asks of the service and of that bucket', () => {
    expect(stack.Resources.Analyses?.Properties).toMatchObject({
      FunctionName: 'analyses',
      Role: 'att:AnalysesRole.Arn',
      Environment: { Variables: { BUCKET: 'ref:Blobs' } },
    })
    const self = 'arn:aws:lambda:eu-central-1:123456789012:function:analyses'
    expect(stack.Resources.AnalysesRole?.Properties.Policies).toMatchObject([
      {
        PolicyDocument: {
          Statement: [
            { Effect: 'Allow', Resource: [self, `${self}:*`] },
            { Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject'], Resource: 'att:Blobs.Arn/selvage/*' },
          ],
        },
      },
    ])
    expect(stack.Outputs).toEqual({ Bucket: 'ref:Blobs', Function: 'ref:AnalysesAliaslive' })
  })

  it.each([
    ['a property that nobody knows', 'BlockPublicAcls:', 'BlockPublicAccess:', 'has no BlockPublicAccess'],
    ['a number that is none', 'MemorySize: 1024', 'MemorySize: much', 'Analyses.MemorySize is no whole number'],
    ['a rule without its status', '            Status: Enabled\n', '', 'lacks Status'],
    ['a durable function without an end', '        ExecutionTimeout: 2592000\n', '', 'lacks ExecutionTimeout'],
  ])('is refused with %s', (_, there, put, said) => {
    expect(text).toContain(there)
    expect(violations(synthesise(text.replace(there, put))).join('; ')).toContain(said)
  })

  it.each([
    ['a reference to nothing', 'Ref: Blobs', 'Ref: Bucket', 'nothing is called Bucket'],
    ['an attribute that its kind does not have', 'Blobs.Arn}', 'Blobs.Url}', 'has no attribute Url'],
    ['a property that SAM does not know', 'CodeUri:', 'CodePath:', 'has no CodePath'],
  ])('cannot be read with %s', (_, there, put, said) => {
    expect(text).toContain(there)
    expect(() => synthesise(text.replace(there, put))).toThrow(said)
  })

  it('makes it durable, within the bounds of the service', () => {
    expect(others).toEqual({})
    expect(ExecutionTimeout).toBeGreaterThan(0)
    expect(ExecutionTimeout).toBeLessThanOrEqual(31_622_400)
    expect(RetentionPeriodInDays).toBeGreaterThan(0)
    expect(RetentionPeriodInDays).toBeLessThanOrEqual(90)
    expect(Analyses?.Properties.Timeout).toBeLessThanOrEqual(900)
    const kept = Blobs?.Properties.LifecycleConfiguration as
      | { Rules: readonly { ExpirationInDays: number }[] }
      | undefined
    const days = ExecutionTimeout / 86_400 + RetentionPeriodInDays
    expect(kept?.Rules.length).toBe(1)
    for (const { ExpirationInDays } of kept?.Rules ?? []) expect(ExpirationInDays).toBeGreaterThan(days)
  })

  it('builds the module whose handler it names', () => {
    const build = Analyses?.Metadata?.BuildProperties as { EntryPoints: readonly string[] } | undefined
    const entry = build?.EntryPoints[0] ?? ''
    expect(Analyses?.Properties.Handler).toBe(`${entry.slice(entry.lastIndexOf('/') + 1, -'.js'.length)}.handler`)
    const source = join(import.meta.dirname, '../..', entry.replace('dist/', 'src/').replace('.js', '.ts'))
    expect(existsSync(source), source).toBe(true)
  })
})
