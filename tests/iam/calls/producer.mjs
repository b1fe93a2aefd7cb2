// What the producer does, in its own account and in a member's.
import { EXTERNAL_ID, MANAGEMENT, MEMBER, ORGANIZATION, call, management, member, producer, producerThere, publisher } from '../world.mjs'

const { resources } = management
const there = member.stack.resources
const LANE = `LANE#${MEMBER}#exp-1`
const PARTITIONS = ['CONFIG', 'RUN', 'RUN#01J0000000000000000000000A', 'LINK_STATES', 'LIVE', 'LANES', LANE]
const log = `arn:aws:logs:us-east-1:${management.account}:log-group:/aws/lambda/pmp-sync-producer:log-stream:one`
const REPORT = 'arn:aws:s3:::reports/pmp-sync/report.html'
const entity = (type, id, account = ORGANIZATION) => `arn:aws:aws-marketplace:us-east-1:${account}:AWSMarketplace/${type}/${id}`
const ANNOUNCED = ['Held', 'Blocked', 'Quarantined', 'Contested', 'Edited Outside', 'Member Stale', 'Recovered', 'Sync Completed']
const ledger = (action, partition, index = '') =>
  call(producer, `dynamodb:${action}`, `${resources.Ledger.arn}${index}`, { 'dynamodb:LeadingKeys': [partition] })

export const producerCalls = [
  ...['ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'GetQueueAttributes', 'SendMessage'].map((action) => [
    'serves its inbox',
    call(producer, `sqs:${action}`, resources.Inbox.arn)
  ]),
  ...['ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'GetQueueAttributes', 'SendMessage'].map((action) => [
    'sends itself retries',
    call(producer, `sqs:${action}`, resources.Retries.arn)
  ]),
  ['dead-letters what it does not understand', call(producer, 'sqs:SendMessage', resources.InboxDeadLetters.arn)],
  ...PARTITIONS.flatMap((partition) =>
    ['GetItem', 'PutItem', 'UpdateItem', 'Query'].map((action) => [`keeps ${partition}`, ledger(action, partition)])
  ),
  [
    'reads many listings at once',
    call(producer, 'dynamodb:BatchGetItem', resources.Ledger.arn, { 'dynamodb:LeadingKeys': ['LIVE'] })
  ],
  ['reads unfinished runs', ledger('Query', 'RUN', '/index/open')],
  ['reads open changes', ledger('Query', LANE, '/index/open')],
  ...ANNOUNCED.map((type) => [
    `announces ${type}`,
    call(producer, 'events:PutEvents', resources.Bus.arn, {
      'events:source': ['pmp-sync'],
      'events:detail-type': [type]
    })
  ]),
  [
    'announces several at once',
    call(producer, 'events:PutEvents', resources.Bus.arn, {
      'events:source': ['pmp-sync', 'pmp-sync'],
      'events:detail-type': ['Held', 'Blocked']
    })
  ],
  [
    'goes to a member',
    call(producer, 'sts:AssumeRole', there.MemberRole.arn, { 'sts:ExternalId': EXTERNAL_ID, 'sts:RoleSessionName': 'pmp-sync-producer' })
  ],
  ['reads a management experience', call(producer, 'aws-marketplace:DescribeEntity', entity('Experience', 'exp-1'))],
  ['reads its policy', call(producer, 'aws-marketplace:DescribeEntity', entity('ProcurementPolicy', 'procpolicy-1'))],
  [
    'asks whether a product is live',
    call(producer, 'aws-marketplace:GetProduct', 'arn:aws:aws-marketplace:::catalog/AWSMarketplace/product/prod-1')
  ],
  ...['CreateLogStream', 'PutLogEvents'].map((action) => ['logs', call(producer, `logs:${action}`, log)]),

  [
    'publishes the report',
    call(publisher, 's3:PutObject', REPORT, { 's3:ResourceAccount': MANAGEMENT })
  ],
  ['reads what operators answered', ledger('Query', 'REQUEST_ANSWERS')],

  ['sends changes', call(producerThere, 'sqs:SendMessage', there.Changes.arn)],
  ...['ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility'].map((action) => [
    'replays dead letters',
    call(producerThere, `sqs:${action}`, there.DeadLetters.arn)
  ]),
  ...['Changes', 'DeadLetters'].map((queue) => [
    `counts ${queue}`,
    call(producerThere, 'sqs:GetQueueAttributes', there[queue].arn)
  ]),
  ['lists the experiences of a member', call(producerThere, 'aws-marketplace:ListEntities', '*')],
  // They belong to the management account of the member's organization, or to the member itself.
  ...['555555555555', MEMBER].flatMap((owner) => [
    ['reads a member experience', call(producerThere, 'aws-marketplace:DescribeEntity', entity('Experience', 'exp-2', owner))],
    ['reads its policy', call(producerThere, 'aws-marketplace:DescribeEntity', entity('ProcurementPolicy', 'procpolicy-2', owner))]
  ])
]
