/**
 * What a SAM template comes to, offline: the function of SAM's own kind becomes the resources that SAM documents for it, what
 * refers to something becomes what it refers to, and each resource is held against the specification that CloudFormation
 * publishes (`@aws-cdk/aws-service-spec`): names, types, what is required, to the last property.
 */
import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec'
import { parse } from 'yaml'

export type Tree = { readonly [name: string]: unknown }

export interface Resource {
  readonly Type: string
  readonly Properties: Tree
  readonly Metadata?: Tree
}

export type Resources = { readonly [name: string]: Resource }

export interface SamTemplate {
  readonly Transform: string
  readonly Parameters: { readonly [name: string]: { readonly Type: string; readonly Default?: unknown } }
  readonly Resources: Resources
  readonly Outputs: { readonly [name: string]: { readonly Value: unknown } }
}

export interface Stack {
  readonly Resources: Resources
  readonly Outputs: Tree
}

type Database = ReturnType<typeof loadAwsServiceSpecSync>
type SpecResource = NonNullable<ReturnType<typeof resourceOf>>
type SpecType = SpecResource['properties'][string]['type']

const SAM_FUNCTION = 'AWS::Serverless::Function'
const PSEUDO: { readonly [name: string]: string } = {
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-central-1',
  'AWS::AccountId': '123456789012',
}

const database: Database = loadAwsServiceSpecSync()

/** Throws at what CloudFormation would refuse to read: an unknown kind, a reference to nothing. */
export function synthesise(text: string): Stack {
  const { Transform, Parameters, Resources, Outputs } = parse(text) as SamTemplate
  if (Transform !== 'AWS::Serverless-2016-10-31') throw new Error(`${Transform} is not the transform of SAM`)
  const aliases = new Map<string, string>()
  const expanded = Object.fromEntries(
    Object.entries(Resources).flatMap(([name, resource]) =>
      resource.Type === SAM_FUNCTION ? functionOf(name, resource, aliases) : [[name, resource] as const],
    ),
  )
  const resolve = resolver(expanded, Parameters, aliases)
  return {
    Resources: Object.fromEntries(
      Object.entries(expanded).map(([name, { Type, Properties }]) => [
        name,
        { Type, Properties: resolve(Properties) as Tree },
      ]),
    ),
    Outputs: Object.fromEntries(Object.entries(Outputs).map(([name, { Value }]) => [name, resolve(Value)])),
  }
}

/** What CloudFormation would refuse to make. */
export function violations({ Resources }: Stack): string[] {
  return Object.entries(Resources).flatMap(([name, { Type, Properties }]) => {
    const spec = resourceOf(Type)
    return spec === undefined ? [`${name}: there is no ${Type}`] : inObject(Properties, spec.properties, name)
  })
}

// ── SAM ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** "Generated CloudFormation resources for AWS::Serverless::Function", of SAM's documentation, as far as it is used. */
function functionOf(name: string, { Properties }: Resource, aliases: Map<string, string>): [string, Resource][] {
  const { CodeUri, Policies = [], AutoPublishAlias, ...kept } = Properties
  const known = { ...resourceOf(SAM_FUNCTION)?.properties, DurableConfig: true }
  for (const property of Object.keys(Properties)) {
    if (!(property in known)) throw new Error(`${name}: ${SAM_FUNCTION} has no ${property}`)
  }
  if (typeof CodeUri !== 'string') throw new Error(`${name}: sam build needs the folder of its code`)
  const role = `${name}Role`
  const made: [string, Resource][] = [
    [
      name,
      {
        Type: 'AWS::Lambda::Function',
        // Where sam deploy puts what sam build has made.
        Properties: { ...kept, Code: { S3Bucket: 'packaged', S3Key: CodeUri }, Role: { 'Fn::GetAtt': [role, 'Arn'] } },
      },
    ],
    [
      role,
      {
        Type: 'AWS::IAM::Role',
        Properties: {
          AssumeRolePolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              { Effect: 'Allow', Action: ['sts:AssumeRole'], Principal: { Service: ['lambda.amazonaws.com'] } },
            ],
          },
          ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole'],
          Policies: (Policies as readonly Tree[]).map((PolicyDocument, index) => ({
            PolicyName: `${role}Policy${index}`,
            PolicyDocument,
          })),
        },
      },
    ],
  ]
  if (AutoPublishAlias === undefined) return made
  const alias = `${name}Alias${String(AutoPublishAlias)}`
  aliases.set(`${name}.Alias`, alias)
  const version = `${name}Version`
  return [
    ...made,
    [version, { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: name } } }],
    [
      alias,
      {
        Type: 'AWS::Lambda::Alias',
        Properties: {
          Name: AutoPublishAlias,
          FunctionName: { Ref: name },
          FunctionVersion: { 'Fn::GetAtt': [version, 'Version'] },
        },
      },
    ],
  ]
}

// ── references ──────────────────────────────────────────────────────────────────────────────────────────────────────

function resolver(
  resources: Resources,
  parameters: SamTemplate['Parameters'],
  aliases: ReadonlyMap<string, string>,
): (tree: unknown) => unknown {
  const refer = (name: string): unknown => {
    const known = PSEUDO[name] ?? parameters[name]?.Default
    if (known !== undefined) return known
    const resource = aliases.get(name) ?? name
    if (resources[resource] === undefined) throw new Error(`nothing is called ${name}`)
    return `ref:${resource}`
  }
  const attribute = (name: string, attribute: string): string => {
    const type = resources[name]?.Type
    if (type === undefined) throw new Error(`nothing is called ${name}, whose ${attribute} is asked for`)
    if (resourceOf(type)?.attributes[attribute] === undefined) throw new Error(`${type} has no attribute ${attribute}`)
    return `att:${name}.${attribute}`
  }
  const substitute = (text: string): string =>
    text.replaceAll(/\$\{([^}]+)\}/g, (_, inner: string) => {
      const [name = '', ...rest] = inner.split('.')
      return String(rest.length === 0 ? refer(inner) : attribute(name, rest.join('.')))
    })
  const resolve = (tree: unknown): unknown => {
    if (Array.isArray(tree)) return tree.map(resolve)
    if (typeof tree !== 'object' || tree === null) return tree
    const entries = Object.entries(tree)
    const [[name = '', value] = []] = entries
    if (entries.length === 1 && name === 'Ref') return refer(String(value))
    if (entries.length === 1 && name === 'Fn::Sub') return substitute(String(value))
    if (entries.length === 1 && name === 'Fn::GetAtt') return attribute(...(value as [string, string]))
    if (name.startsWith('Fn::')) throw new Error(`${name} is not read here`)
    return Object.fromEntries(entries.map(([key, each]) => [key, resolve(each)]))
  }
  return resolve
}

// ── the specification ───────────────────────────────────────────────────────────────────────────────────────────────

function resourceOf(type: string) {
  return database.lookup('resource', 'cloudFormationType', 'equals', type)[0]
}

function inObject(value: unknown, properties: SpecResource['properties'], at: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is no object`]
  const missing = Object.entries(properties).flatMap(([name, { required }]) =>
    required === true && !(name in value) ? [`${at} lacks ${name}`] : [],
  )
  const wrong = Object.entries(value).flatMap(([name, each]) => {
    const property = properties[name]
    return property === undefined ? [`${at} has no ${name}`] : inType(each, property.type, `${at}.${name}`)
  })
  return [...missing, ...wrong]
}

function inType(value: unknown, type: SpecType, at: string): string[] {
  const unless = (isSo: boolean, what: string): string[] => (isSo ? [] : [`${at} is no ${what}`])
  switch (type.type) {
    case 'string':
    case 'date-time':
      return unless(typeof value === 'string', 'text')
    case 'integer':
      return unless(Number.isInteger(value), 'whole number')
    case 'number':
      return unless(typeof value === 'number', 'number')
    case 'boolean':
      return unless(typeof value === 'boolean', 'boolean')
    case 'json':
      return unless(typeof value === 'object' && value !== null, 'document')
    case 'ref':
      return inObject(value, database.get('typeDefinition', type.reference.$ref).properties, at)
    case 'array':
      if (!Array.isArray(value)) return [`${at} is no list`]
      return value.flatMap((each, index) => inType(each, type.element, `${at}.${index}`))
    case 'map':
      if (typeof value !== 'object' || value === null) return [`${at} is no map`]
      return Object.entries(value).flatMap(([name, each]) => inType(each, type.element, `${at}.${name}`))
    case 'union': {
      const tried = type.types.map((each) => inType(value, each, at))
      return tried.some((wrong) => wrong.length === 0) ? [] : (tried[0] ?? [])
    }
    default:
      return [`${at} is a ${type.type}, which is not read here`]
  }
}
