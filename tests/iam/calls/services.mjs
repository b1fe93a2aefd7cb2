// What AWS's own services do: deliver events, triggers and alarms, and become the roles.
import { MANAGEMENT, MEMBER, call, management, member, schedule, service } from '../world.mjs'

const events = service('events')
const { resources } = management
const there = member.stack.resources
const keys = (rule) => ({ 'aws:SourceArn': rule.arn })
// Whether EventBridge sends it is not documented for every target: each call has to pass both ways.
const bothWays = (what, rule, account, make) => [
  [what, make(keys(rule))],
  [`${what}, with aws:SourceAccount`, make({ ...keys(rule), 'aws:SourceAccount': account })]
]

export const services = [
  ...['RequestRule', 'ManagementChangeSetRule'].flatMap((rule) => [
    ...bothWays(`${rule} fills the inbox`, resources[rule], MANAGEMENT, (with_) =>
      call(events, 'sqs:SendMessage', resources.Inbox.arn, with_)
    ),
    ...bothWays(`${rule} keeps what it cannot deliver`, resources[rule], MANAGEMENT, (with_) =>
      call(events, 'sqs:SendMessage', resources.Undelivered.arn, with_)
    )
  ]),
  // AWS documents no key that a topic policy could rely on.
  ...['Notifications', 'ChatNotifications'].flatMap((topic) => [
    [`NotificationRule publishes to ${topic}`, call(events, 'sns:Publish', resources[topic].arn)],
    ...bothWays(`NotificationRule publishes to ${topic}`, resources.NotificationRule, MANAGEMENT, (with_) =>
      call(events, 'sns:Publish', resources[topic].arn, with_)
    ),
    [
      `an alarm publishes to ${topic}`,
      call(service('cloudwatch'), 'sns:Publish', resources[topic].arn, {
        'aws:SourceAccount': MANAGEMENT,
        'aws:SourceArn': `arn:aws:cloudwatch:us-east-1:${MANAGEMENT}:alarm:pmp-sync-requests-dlq`
      })
    ]
  ]),
  ...bothWays('NotificationRule keeps what it cannot deliver', resources.NotificationRule, MANAGEMENT, (with_) =>
    call(events, 'sqs:SendMessage', resources.Undelivered.arn, with_)
  ),
  ...['ChangeSetRule', 'ProductRequestRule'].flatMap((rule) => [
    ...bothWays(`${rule} wakes the worker`, there[rule], MEMBER, (with_) =>
      call(events, 'sqs:SendMessage', there.Changes.arn, with_)
    ),
    ...bothWays(`${rule} keeps what it cannot deliver`, there[rule], MEMBER, (with_) =>
      call(events, 'sqs:SendMessage', there.Undelivered.arn, with_)
    )
  ]),
  [
    'Scheduler becomes the role of the schedule',
    call(service('scheduler'), 'sts:AssumeRole', resources.ScheduleRole.arn, {
      'aws:SourceAccount': MANAGEMENT,
      'aws:SourceArn': `arn:aws:scheduler:us-east-1:${MANAGEMENT}:schedule-group/default`
    })
  ],
  ['the schedule fills the inbox', call(schedule, 'sqs:SendMessage', resources.Inbox.arn)],
  ['the schedule keeps what it cannot deliver', call(schedule, 'sqs:SendMessage', resources.Undelivered.arn)],
  ['Lambda becomes the producer', call(service('lambda'), 'sts:AssumeRole', resources.ProducerRole.arn)],
  ['Lambda becomes the worker', call(service('lambda'), 'sts:AssumeRole', there.WorkerRole.arn)]
]
