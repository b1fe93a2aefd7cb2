// What must not be possible, each with everything that the attacker could bring.
import {
  EXTERNAL_ID,
  MANAGEMENT,
  MEMBER,
  OTHER_EXTERNAL_ID,
  OTHER_MEMBER,
  STRANGER,
  administrator,
  call,
  management,
  member,
  otherMember,
  producer,
  producerThere,
  publisher,
  schedule,
  service,
  worker,
  workerThere
} from '../world.mjs'

const { resources } = management
const there = member.stack.resources
const lane = (action, partition, index = '') =>
  call(workerThere, `dynamodb:${action}`, `${resources.Ledger.arn}${index}`, { 'dynamodb:LeadingKeys': [].concat(partition) })
const put = (who, sources, types) =>
  call(who, 'events:PutEvents', resources.Bus.arn, { 'events:source': sources, 'events:detail-type': types })
const report = (who, action, { key = 'pmp-sync/report.html', account = MANAGEMENT } = {}) =>
  call(who, `s3:${action}`, `arn:aws:s3:::reports/${key}`, { 's3:ResourceAccount': account })
const experience = (account) => `arn:aws:aws-marketplace:us-east-1:${account}:AWSMarketplace/Experience/exp-1`
const foreignRule = `arn:aws:events:us-east-1:${STRANGER}:rule/pmp-sync/pmp-sync-requests`

export const attacks = [
  // A worker and the ledger.
  ['a worker reads another member\'s lane', lane('GetItem', `LANE#${OTHER_MEMBER}#exp-1`)],
  ['a worker writes another member\'s lane', lane('UpdateItem', `LANE#${OTHER_MEMBER}#exp-1`)],
  ['a worker reads open changes of another member', lane('Query', `LANE#${OTHER_MEMBER}#exp-1`, '/index/open')],
  ['a worker adds another member\'s lane to its own', lane('GetItem', [`LANE#${MEMBER}#exp-1`, `LANE#${OTHER_MEMBER}#exp-1`])],
  ['a worker reads another member\'s procurement requests', lane('Query', `PRODUCT_REQUESTS#${OTHER_MEMBER}`)],
  ['a worker writes another member\'s procurement requests', lane('UpdateItem', `PRODUCT_REQUESTS#${OTHER_MEMBER}`)],
  ['a worker deletes its procurement requests', lane('DeleteItem', `PRODUCT_REQUESTS#${MEMBER}`)],
  ['a worker answers a procurement request', lane('UpdateItem', 'REQUEST_ANSWERS')],
  ['a worker reads the answers to procurement requests', lane('Query', 'REQUEST_ANSWERS')],
  ['a worker reads the configuration', lane('GetItem', 'CONFIG')],
  ['a worker reads external ids', lane('GetItem', 'MEMBER')],
  ['a worker writes link states', lane('UpdateItem', 'LINK_STATES')],
  ['a worker deletes its lane', lane('DeleteItem', `LANE#${MEMBER}#exp-1`)],
  ['a worker scans the ledger', call(workerThere, 'dynamodb:Scan', resources.Ledger.arn)],
  ['a worker reads the ledger by PartiQL', call(workerThere, 'dynamodb:PartiQLSelect', resources.Ledger.arn)],

  // A worker and the bus.
  ['a worker requests a sync', put(workerThere, ['pmp-sync'], ['Sync Requested'])],
  ['a worker approves a hold', put(workerThere, ['pmp-sync'], ['Approval Requested'])],
  ['a worker hides an approval beside its own event', put(workerThere, ['pmp-sync', 'pmp-sync'], ['Lane Settled', 'Approval Requested'])],
  ['a worker announces a procurement request by mail', put(workerThere, ['pmp-sync'], ['Product Requested'])],
  ['a worker speaks for another source', put(workerThere, ['aws.marketplacecatalog'], ['Lane Settled'])],
  ['a worker hides another source beside its own', put(workerThere, ['pmp-sync', 'somebody'], ['Lane Settled'])],

  // A worker and its account.
  ...['UpdateExperience', 'RestrictExperience', 'AssociateAudience', 'DisassociateAudience', 'UpdateProcurementPolicy', 'CreateExperience'].map((type) => [
    `a worker does more than allow and deny: ${type}`,
    call(worker, 'aws-marketplace:StartChangeSet', experience(MEMBER), { 'catalog:ChangeType': type })
  ]),
  ['a worker starts a change set of no type', call(worker, 'aws-marketplace:StartChangeSet', experience(MEMBER))],
  ['a worker takes dead letters out', call(worker, 'sqs:ReceiveMessage', there.DeadLetters.arn)],
  ['a worker becomes the producer in its account', call(worker, 'sts:AssumeRole', there.MemberRole.arn, { 'sts:ExternalId': EXTERNAL_ID })],
  ['a worker goes to another member\'s lanes', call(worker, 'sts:AssumeRole', otherMember.access.resources.LaneRole.arn, { 'sts:ExternalId': OTHER_EXTERNAL_ID })],

  // The producer.
  ['the producer publishes where nothing is to be published', report(producer, 'PutObject')],
  ['the producer reads what it publishes', report(publisher, 'GetObject')],
  ['the producer deletes what it publishes', report(publisher, 'DeleteObject')],
  ['the producer publishes to somebody else\'s bucket', report(publisher, 'PutObject', { account: STRANGER })],
  ['the producer writes another object', report(publisher, 'PutObject', { key: 'code/producer.zip' })],
  ['the producer changes a management experience', call(producer, 'aws-marketplace:StartChangeSet', experience(MANAGEMENT), { 'catalog:ChangeType': 'AllowProductProcurement' })],
  ['the producer changes a member experience', call(producerThere, 'aws-marketplace:StartChangeSet', experience(MEMBER), { 'catalog:ChangeType': 'DenyProductProcurement' })],
  ['the producer goes to a member without its external id', call(producer, 'sts:AssumeRole', there.MemberRole.arn)],
  ['the producer goes to a member with another external id', call(producer, 'sts:AssumeRole', there.MemberRole.arn, { 'sts:ExternalId': OTHER_EXTERNAL_ID })],
  ['the producer becomes a lane role', call(producer, 'sts:AssumeRole', member.access.resources.LaneRole.arn, { 'sts:ExternalId': EXTERNAL_ID })],
  ['the producer takes changes out', call(producerThere, 'sqs:ReceiveMessage', there.Changes.arn)],
  ['the producer deletes an item', call(producer, 'dynamodb:DeleteItem', resources.Ledger.arn, { 'dynamodb:LeadingKeys': ['CONFIG'] })],
  ['the producer speaks for another source', put(producer, ['somebody'], ['Held'])],

  // Others in the accounts, and strangers, who know every name and external id.
  ['somebody else in the management account goes to a member', call(administrator(MANAGEMENT), 'sts:AssumeRole', there.MemberRole.arn, { 'sts:ExternalId': EXTERNAL_ID })],
  ['somebody else in a member account goes to its lanes', call(administrator(MEMBER), 'sts:AssumeRole', member.access.resources.LaneRole.arn, { 'sts:ExternalId': EXTERNAL_ID })],
  ['another member goes to the lanes', call(administrator(OTHER_MEMBER, 'pmp-sync-worker'), 'sts:AssumeRole', member.access.resources.LaneRole.arn, { 'sts:ExternalId': EXTERNAL_ID })],
  ['a stranger goes to a member', call(administrator(STRANGER, 'pmp-sync-producer'), 'sts:AssumeRole', there.MemberRole.arn, { 'sts:ExternalId': EXTERNAL_ID })],
  ['a stranger goes to the lanes', call(administrator(STRANGER, 'pmp-sync-worker'), 'sts:AssumeRole', member.access.resources.LaneRole.arn, { 'sts:ExternalId': EXTERNAL_ID })],
  ...[resources.Inbox, resources.Retries, resources.InboxDeadLetters, resources.Undelivered, there.Changes, there.DeadLetters, there.Undelivered].map(({ arn }) => [
    `a stranger sends to ${arn.split(':')[5]}`,
    call(administrator(STRANGER), 'sqs:SendMessage', arn)
  ]),
  ...[resources.Notifications, resources.ChatNotifications].flatMap(({ arn }) => [
    [`a stranger publishes to ${arn.split(':')[5]}`, call(administrator(STRANGER), 'sns:Publish', arn)],
    [`an alarm of a stranger publishes to ${arn.split(':')[5]}`, call(service('cloudwatch'), 'sns:Publish', arn, { 'aws:SourceAccount': STRANGER, 'aws:SourceArn': `arn:aws:cloudwatch:us-east-1:${STRANGER}:alarm:pmp-sync-x` })]
  ]),
  ['a stranger puts events', put(administrator(STRANGER), ['pmp-sync'], ['Lane Settled'])],
  ['a stranger reads the ledger', call(administrator(STRANGER), 'dynamodb:GetItem', resources.Ledger.arn, { 'dynamodb:LeadingKeys': ['CONFIG'] })],

  // Rules, schedules and alarms of others.
  ['a rule of a stranger fills the inbox', call(service('events'), 'sqs:SendMessage', resources.Inbox.arn, { 'aws:SourceArn': foreignRule, 'aws:SourceAccount': STRANGER })],
  ['a rule of a stranger wakes the worker', call(service('events'), 'sqs:SendMessage', there.Changes.arn, { 'aws:SourceArn': foreignRule, 'aws:SourceAccount': STRANGER })],
  ['a rule of a stranger fills the undelivered', call(service('events'), 'sqs:SendMessage', resources.Undelivered.arn, { 'aws:SourceArn': foreignRule, 'aws:SourceAccount': STRANGER })],
  ['another rule of the account fills the inbox', call(service('events'), 'sqs:SendMessage', resources.Inbox.arn, { 'aws:SourceArn': `arn:aws:events:us-east-1:${MANAGEMENT}:rule/other`, 'aws:SourceAccount': MANAGEMENT })],
  ['an event of no rule fills the inbox', call(service('events'), 'sqs:SendMessage', resources.Inbox.arn)],
  ['a rule of the account fills the retries', call(service('events'), 'sqs:SendMessage', resources.Retries.arn, { 'aws:SourceArn': resources.RequestRule.arn, 'aws:SourceAccount': MANAGEMENT })],
  ['another service fills the inbox', call(service('sns'), 'sqs:SendMessage', resources.Inbox.arn, { 'aws:SourceArn': resources.RequestRule.arn })],
  ['a schedule of a stranger becomes the role', call(service('scheduler'), 'sts:AssumeRole', resources.ScheduleRole.arn, { 'aws:SourceAccount': STRANGER })],
  ['the schedule reads the inbox', call(schedule, 'sqs:ReceiveMessage', resources.Inbox.arn)]
]
