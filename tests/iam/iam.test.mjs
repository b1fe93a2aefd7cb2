// The rendered templates in a simulation of IAM: everything that is needed is allowed, and no attack is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attacks } from './calls/attacks.mjs'
import { operatorCalls } from './calls/operators.mjs'
import { producerCalls } from './calls/producer.mjs'
import { services } from './calls/services.mjs'
import { workerCalls } from './calls/worker.mjs'
import { expect } from './simulate.mjs'
import { management, member } from './world.mjs'

expect(true, services)
expect(true, producerCalls)
expect(true, workerCalls)
expect(true, operatorCalls)
expect(false, attacks)

// So that a new rule, queue or role is not forgotten here.
test('every rule, queue and role of the stacks is in a call', () => {
  const calls = [services, producerCalls, workerCalls, operatorCalls].flat().map(([, call]) => JSON.stringify(call.request))
  for (const { resources } of [management, member.access, member.stack]) {
    for (const [name, { type, arn }] of Object.entries(resources)) {
      if (!['AWS::Events::Rule', 'AWS::SQS::Queue', 'AWS::IAM::Role', 'AWS::SNS::Topic'].includes(type)) continue
      assert.ok(calls.some((call) => call.includes(`"${arn}"`)), `${name} is in no call`)
    }
  }
})
