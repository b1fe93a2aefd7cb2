// Renders a template as CloudFormation would: parameters, conditions, and the references that our templates use.
import { readFileSync } from 'node:fs'
import yaml from 'js-yaml'

const REGION = 'us-east-1'

const tags = ['Ref', 'Sub', 'GetAtt', 'If', 'Equals', 'Not'].flatMap((name) =>
  ['scalar', 'sequence', 'mapping'].map(
    (kind) => new yaml.Type(`!${name}`, { kind, construct: (value) => new Call(name, value) })
  )
)
const schema = yaml.DEFAULT_SCHEMA.extend(tags)

class Call {
  constructor(name, value) {
    this.name = name
    this.value = value
  }
}

/** What the types that we use are called: their ARN, and what a reference to them is. */
const NAMES = {
  'AWS::DynamoDB::Table': (p, at) => ({ ref: p.TableName, arn: `arn:aws:dynamodb:${at}:table/${p.TableName}` }),
  'AWS::Events::EventBus': (p, at) => ({ ref: p.Name, arn: `arn:aws:events:${at}:event-bus/${p.Name}` }),
  'AWS::Events::Rule': (p, at) => ({
    ref: p.Name,
    arn: `arn:aws:events:${at}:rule/${p.EventBusName ? `${p.EventBusName}/` : ''}${p.Name}`
  }),
  'AWS::IAM::Role': (p, at, account) => ({ ref: p.RoleName, arn: `arn:aws:iam::${account}:role/${p.RoleName}` }),
  'AWS::Lambda::Function': (p, at) => ({
    ref: p.FunctionName,
    arn: `arn:aws:lambda:${at}:function:${p.FunctionName}`
  }),
  'AWS::SNS::Topic': (p, at) => {
    const arn = `arn:aws:sns:${at}:${p.TopicName}`
    return { ref: arn, arn }
  },
  'AWS::SQS::Queue': (p, at, account) => ({
    ref: `https://sqs.${REGION}.amazonaws.com/${account}/${p.QueueName}`,
    arn: `arn:aws:sqs:${at}:${p.QueueName}`,
    QueueName: p.QueueName
  })
}

/** A stack of a template of infra/: its resources with every reference resolved, and its outputs. */
export function render(file, account, given = {}) {
  const template = yaml.load(readFileSync(new URL(`../../infra/${file}`, import.meta.url), 'utf8'), { schema })
  const parameters = Object.fromEntries(
    Object.entries(template.Parameters).map(([name, { Default }]) => {
      const value = given[name] ?? Default
      if (value === undefined) throw new Error(`${file} needs ${name}`)
      return [name, value]
    })
  )
  const unknown = Object.keys(given).find((name) => !(name in template.Parameters))
  if (unknown) throw new Error(`${file} has no ${unknown}`)
  const pseudo = {
    'AWS::AccountId': account,
    'AWS::NoValue': undefined,
    'AWS::Partition': 'aws',
    'AWS::Region': REGION
  }

  function named(resource) {
    const { Type, Properties } = template.Resources[resource] ?? {}
    if (!NAMES[Type]) throw new Error(`${file}: what is a reference to ${resource} (${Type})?`)
    return NAMES[Type](resolve(Properties), `${REGION}:${account}`, account)
  }
  function reference(name) {
    if (name in pseudo) return pseudo[name]
    if (name in parameters) return parameters[name]
    return named(name).ref
  }
  function attribute(text) {
    const [resource, name] = text.split('.')
    const value = named(resource)[name === 'Arn' ? 'arn' : name]
    if (value === undefined) throw new Error(`${file}: no attribute ${text}`)
    return value
  }
  function condition(value) {
    if (typeof value === 'string') return condition(template.Conditions[value])
    if (value.name === 'Not') return !condition(value.value[0])
    if (value.name === 'Equals') return resolve(value.value[0]) === resolve(value.value[1])
    throw new Error(`${file}: a condition ${value.name}`)
  }
  function resolve(value) {
    if (value instanceof Call) {
      switch (value.name) {
        case 'Ref':
          return reference(value.value)
        case 'GetAtt':
          return attribute(value.value)
        case 'Sub':
          return value.value.replace(/\$\{([^}]+)\}/g, (_, name) =>
            name.includes('.') ? attribute(name) : reference(name)
          )
        case 'If':
          return resolve(condition(value.value[0]) ? value.value[1] : value.value[2])
        default:
          throw new Error(`${file}: ${value.name} is not a value`)
      }
    }
    if (Array.isArray(value)) return value.map(resolve).filter((one) => one !== undefined)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, resolve(inner)]))
  }

  const there = Object.entries(template.Resources).filter(([, r]) => !r.Condition || condition(r.Condition))
  const resources = Object.fromEntries(
    there.map(([name, { Type, Properties }]) => [
      name,
      {
        type: Type,
        properties: resolve(Properties),
        arn: NAMES[Type] && named(name).arn
      }
    ])
  )
  const outputs = Object.fromEntries(
    Object.entries(template.Outputs).map(([name, { Value }]) => [name, resolve(Value)])
  )
  return { account, resources, outputs }
}
