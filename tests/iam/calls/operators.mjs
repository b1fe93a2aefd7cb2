// What operators do with the permissions that docs/command-guide.md gives them, and with those of an administrator.
import { readFileSync } from 'node:fs'
import { MANAGEMENT, MEMBER, administrator, call, management, person } from '../world.mjs'

const guide = readFileSync(new URL('../../../docs/command-guide.md', import.meta.url), 'utf8')
const policies = guide
  .split('\n\n')
  .filter((block) => block.trimStart().startsWith('{"Version"'))
  .map((block) => JSON.parse(block.replaceAll('<management account>', MANAGEMENT)))
const [inMember, inManagement, ofLists] = policies

const bootstraps = person(MEMBER, inMember.Statement)
const records = person(MANAGEMENT, inManagement.Statement)
const lists = person(MANAGEMENT, ofLists.Statement)
const operator = administrator(MANAGEMENT)
const arn = (type, id) => `arn:aws:aws-marketplace:us-east-1:${MEMBER}:AWSMarketplace/${type}/${id}`
const REQUESTS = [
  'Sync Requested',
  'Replay Requested',
  'Discard Requested',
  'Approval Requested',
  'Rejection Requested',
  'Restore Requested',
  'Revert Requested',
  'Notification Test'
]

export const operatorCalls = [
  ...['ListEntities', 'ListChangeSets'].map((action) => [
    'bootstraps a member',
    call(bootstraps, `aws-marketplace:${action}`, '*')
  ]),
  ['bootstraps a member', call(bootstraps, 'aws-marketplace:DescribeEntity', arn('Experience', 'exp-1'))],
  ['bootstraps a member', call(bootstraps, 'aws-marketplace:DescribeChangeSet', arn('ChangeSet', 'cs-1'))],
  ['bootstraps a member', call(bootstraps, 'organizations:DescribeOrganization', '*')],
  ...inMember.Statement[1].Condition.StringEquals['catalog:ChangeType'].map((type) => [
    `bootstraps a member: ${type}`,
    call(bootstraps, 'aws-marketplace:StartChangeSet', arn('Experience', 'exp-1'), { 'catalog:ChangeType': type })
  ]),
  ...['CONFIG', 'MEMBER'].flatMap((partition) =>
    ['GetItem', 'PutItem', 'UpdateItem'].map((action) => [
      `records a member in ${partition}`,
      call(records, `dynamodb:${action}`, management.resources.Ledger.arn, { 'dynamodb:LeadingKeys': [partition] })
    ])
  ),
  ...[
    'ListChangeSets',
    'DescribeEntity',
    'DescribeChangeSet',
    'ListEntities',
    'SearchListings',
    'GetListing',
    'GetProduct'
  ].map((action) => [
    `changes the management lists: ${action}`,
    call(lists, `aws-marketplace:${action}`, '*')
  ]),
  ...['AllowProductProcurement', 'DenyProductProcurement'].map((type) => [
    `changes the management lists: ${type}`,
    call(lists, 'aws-marketplace:StartChangeSet', arn('Experience', 'exp-1'), { 'catalog:ChangeType': type })
  ]),
  ...['PutItem', 'Query'].map((action) => [
    `records an edit: ${action}`,
    call(lists, `dynamodb:${action}`, management.resources.Ledger.arn, { 'dynamodb:LeadingKeys': ['EDITS'] })
  ]),
  ...REQUESTS.map((type) => [
    `requests ${type}`,
    call(operator, 'events:PutEvents', management.resources.Bus.arn, {
      'events:source': ['pmp-sync'],
      'events:detail-type': [type]
    })
  ]),
  ['asks the producer', call(operator, 'lambda:InvokeFunction', management.resources.Producer.arn)],
  ...['Inbox', 'InboxDeadLetters', 'Undelivered'].map((queue) => [
    `counts ${queue}`,
    call(operator, 'sqs:GetQueueAttributes', management.resources[queue].arn)
  ])
]
