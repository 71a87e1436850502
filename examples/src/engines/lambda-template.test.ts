/** The template is read as CloudFormation would read it, offline: names that it documents, references that resolve. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

type Tree = { readonly [name: string]: unknown }

const path = join(import.meta.dirname, '../../lambda/template.yaml')
const template = parse(readFileSync(path, 'utf8')) as {
  readonly Transform: string
  readonly Parameters: Tree
  readonly Resources: {
    readonly [name: string]: { readonly Type: string; readonly Properties: Tree; readonly Metadata?: Tree }
  }
  readonly Outputs: Tree
}

/** Properties that the documentation of SAM and CloudFormation gives. */
const PROPERTIES: { readonly [type: string]: readonly string[] } = {
  'AWS::Serverless::Function': [
    'FunctionName',
    'CodeUri',
    'Handler',
    'Runtime',
    'MemorySize',
    'Timeout',
    'AutoPublishAlias',
    'DurableConfig',
    'Environment',
    'Policies',
  ],
  'AWS::S3::Bucket': ['PublicAccessBlockConfiguration', 'LifecycleConfiguration'],
}

function* nodes(tree: unknown): Generator<readonly [string, unknown]> {
  if (typeof tree !== 'object' || tree === null) return
  for (const [name, value] of Object.entries(tree)) {
    yield [name, value]
    yield* nodes(value)
  }
}

describe('the template of the function', () => {
  const { Resources, Parameters, Outputs, Transform } = template
  const { Analyses, Blobs } = Resources
  const {
    ExecutionTimeout = 0,
    RetentionPeriodInDays = 0,
    ...others
  } = (Analyses?.Properties.DurableConfig ?? {}) as {
    ExecutionTimeout?: number
    RetentionPeriodInDays?: number
  }

  it('names nothing that is not documented', () => {
    expect(Transform).toBe('AWS::Serverless-2016-10-31')
    for (const { Type, Properties } of Object.values(Resources)) {
      expect(PROPERTIES[Type], Type).toBeDefined()
      for (const name of Object.keys(Properties)) expect(PROPERTIES[Type]).toContain(name)
    }
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

  it('refers to what is there', () => {
    const known = new Set([...Object.keys(Resources), ...Object.keys(Parameters)])
    const referred = [...nodes([Resources, Outputs])].flatMap(([name, value]) => {
      if (name === 'Ref') return [String(value)]
      if (name !== 'Fn::Sub') return []
      return [...String(value).matchAll(/\$\{([^}]+)\}/g)].map(([, inner = '']) => inner)
    })
    expect(referred.length).toBeGreaterThan(5)
    for (const name of referred.filter((each) => !each.startsWith('AWS::'))) {
      expect(known, name).toContain(name.split('.')[0])
    }
  })

  it('builds the module whose handler it names', () => {
    const build = Analyses?.Metadata?.BuildProperties as { EntryPoints: readonly string[] } | undefined
    const entry = build?.EntryPoints[0] ?? ''
    expect(Analyses?.Properties.Handler).toBe(`${entry.slice(entry.lastIndexOf('/') + 1, -'.js'.length)}.handler`)
    const source = join(import.meta.dirname, '../..', entry.replace('dist/', 'src/').replace('.js', '.ts'))
    expect(existsSync(source), source).toBe(true)
  })
})
