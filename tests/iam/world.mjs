// The accounts of one installation with two members, as the templates make them, and who is in them.
import { render } from './render.mjs'

export const MANAGEMENT = '111111111111'
export const MEMBER = '222222222222'
export const OTHER_MEMBER = '333333333333'
/** The management account of the management organization: it owns the experiences that are mirrored. */
export const ORGANIZATION = '444444444444'
export const STRANGER = '999999999999'

export const EXTERNAL_ID = 'an-external-id'
export const OTHER_EXTERNAL_ID = 'another-external-id'

const code = { CodeBucket: 'code' }

export const management = render('management.yaml', MANAGEMENT, { ...code, ProducerCodeKey: 'producer.zip' })

function membership(account, externalId) {
  const { LedgerTableArn, BusArn } = management.outputs
  const access = render('member-access.yaml', MANAGEMENT, {
    MemberAccountId: account,
    ExternalId: externalId,
    LedgerTableArn,
    BusArn
  })
  const stack = render('member.yaml', account, {
    ...code,
    WorkerCodeKey: 'worker.zip',
    ManagementAccountId: MANAGEMENT,
    LedgerTableArn,
    BusArn,
    LaneRoleArn: access.outputs.LaneRoleArn,
    ExternalId: externalId
  })
  return { access, stack }
}

export const member = membership(MEMBER, EXTERNAL_ID)
export const otherMember = membership(OTHER_MEMBER, OTHER_EXTERNAL_ID)

/** A session of a role of a stack, with the role's policies and with the keys that AWS adds for it. */
export function session(stack, name) {
  const { properties, arn } = stack.resources[name]
  return {
    principal: `arn:aws:sts::${stack.account}:assumed-role/${properties.RoleName}/session`,
    policies: properties.Policies.map(({ PolicyName, PolicyDocument }) => ({
      name: PolicyName,
      policy: PolicyDocument
    })),
    keys: { 'aws:PrincipalArn': arn, 'aws:PrincipalAccount': stack.account }
  }
}

/** A service. It sends only the keys that a call names. */
export function service(name) {
  return { principal: `${name}.amazonaws.com`, policies: [], keys: {} }
}

/** A person or role of an account with these statements. */
export function person(account, statements, role = 'operator') {
  return {
    principal: `arn:aws:sts::${account}:assumed-role/${role}/somebody`,
    policies: [{ name: 'person', policy: { Version: '2012-10-17', Statement: statements } }],
    keys: { 'aws:PrincipalArn': `arn:aws:iam::${account}:role/${role}`, 'aws:PrincipalAccount': account }
  }
}

/** A person who may do everything that their own account can allow. */
export const administrator = (account, role) =>
  person(account, [{ Effect: 'Allow', Action: '*', Resource: '*' }], role)

export const producer = session(management, 'ProducerRole')
/** One that publishes the report. */
export const publisher = session(
  render('management.yaml', MANAGEMENT, { ...code, ProducerCodeKey: 'producer.zip', ReportBucket: 'reports' }),
  'ProducerRole'
)
/** The producer in the member's account. */
export const producerThere = session(member.stack, 'MemberRole')
export const worker = session(member.stack, 'WorkerRole')
/** The worker in the management account. */
export const workerThere = session(member.access, 'LaneRole')
export const schedule = session(management, 'ScheduleRole')

/** The policy on a resource, if a resource of that type has put one there. */
function policyOn(arn) {
  for (const stack of [management, member.access, member.stack, otherMember.access, otherMember.stack]) {
    for (const { type, properties, arn: own } of Object.values(stack.resources)) {
      if (type === 'AWS::IAM::Role' && own === arn) return properties.AssumeRolePolicyDocument
      const of = {
        'AWS::SQS::QueuePolicy': () => properties.Queues.map((url) => url.split('/')).map(([, , , account, name]) => `arn:aws:sqs:us-east-1:${account}:${name}`),
        'AWS::SNS::TopicPolicy': () => properties.Topics
      }[type]
      if (of?.().includes(arn)) return properties.PolicyDocument
    }
  }
  return undefined
}

/**
 * A call: who does what to which resource, with which keys in the request. The Catalog API decides in the account of
 * its caller, who may have been given what the organization's management account owns.
 */
export function call(who, action, resource, keys = {}) {
  const own = who.keys['aws:PrincipalAccount']
  const account = action.startsWith('aws-marketplace:') ? own : resource.split(':')[4] || own
  return {
    request: {
      principal: who.principal,
      action,
      resource: { resource, accountId: account },
      contextVariables: { ...who.keys, ...keys }
    },
    identityPolicies: who.policies,
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy: policyOn(resource)
  }
}
