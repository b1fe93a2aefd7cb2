// What the worker does, in its own account and in the management account.
import { EXTERNAL_ID, MEMBER, call, management, member, worker, workerThere } from '../world.mjs'

const { resources } = member.stack
const LANE = `LANE#${MEMBER}#exp-1`
const REQUESTS = `PRODUCT_REQUESTS#${MEMBER}`
const log = `arn:aws:logs:us-east-1:${MEMBER}:log-group:/aws/lambda/pmp-sync-worker:log-stream:one`
const ledger = (action, index = '', partition = LANE) =>
  call(workerThere, `dynamodb:${action}`, `${management.resources.Ledger.arn}${index}`, {
    'dynamodb:LeadingKeys': [partition]
  })
// The experiences belong to the management account of the member's organization, or to the member itself.
const catalog = (owner) => {
  const arn = (type, id) => `arn:aws:aws-marketplace:us-east-1:${owner}:AWSMarketplace/${type}/${id}`
  return [
    ['reads its experience', call(worker, 'aws-marketplace:DescribeEntity', arn('Experience', 'exp-1'))],
    ['reads its policy', call(worker, 'aws-marketplace:DescribeEntity', arn('ProcurementPolicy', 'procpolicy-1'))],
    ...['AllowProductProcurement', 'DenyProductProcurement', 'CreateProcurementPolicy'].map((type) => [
      `changes products: ${type}`,
      call(worker, 'aws-marketplace:StartChangeSet', arn('Experience', 'exp-1'), { 'catalog:ChangeType': type })
    ]),
    ['follows a change set', call(worker, 'aws-marketplace:DescribeChangeSet', arn('ChangeSet', 'cs-1'))]
  ]
}

export const workerCalls = [
  ...['ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'GetQueueAttributes', 'SendMessage'].map((action) => [
    'serves its queue',
    call(worker, `sqs:${action}`, resources.Changes.arn)
  ]),
  ['dead-letters changes', call(worker, 'sqs:SendMessage', resources.DeadLetters.arn)],
  [
    'goes to its lanes',
    call(worker, 'sts:AssumeRole', member.access.resources.LaneRole.arn, { 'sts:ExternalId': EXTERNAL_ID, 'sts:RoleSessionName': 'pmp-sync-worker' })
  ],
  ...['555555555555', MEMBER].flatMap(catalog),
  ['finds its change sets', call(worker, 'aws-marketplace:ListChangeSets', '*')],
  ...['CreateLogStream', 'PutLogEvents'].map((action) => ['logs', call(worker, `logs:${action}`, log)]),

  ...['GetItem', 'UpdateItem', 'Query'].map((action) => ['keeps its lane', ledger(action)]),
  ['reads open changes', ledger('Query', '/index/open')],
  ...['GetItem', 'UpdateItem', 'Query'].map((action) => ['keeps its procurement requests', ledger(action, '', REQUESTS)]),
  ['counts the requests that wait', ledger('Query', '/index/open', REQUESTS)],
  ...['Lane Settled', 'Lane Edited', 'Product Request Received'].map((type) => [
    `announces: ${type}`,
    call(workerThere, 'events:PutEvents', management.resources.Bus.arn, {
      'events:source': ['pmp-sync'],
      'events:detail-type': [type]
    })
  ])
]
