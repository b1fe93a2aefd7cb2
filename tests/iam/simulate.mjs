// Evaluates calls, and says of a table of them which ones did not end as expected.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSimulation } from '@cloud-copilot/iam-simulate'

/** True if IAM allows a call. An error if the call itself is impossible, so that no denial is an accident. */
export async function isAllowed(call) {
  const answer = await runSimulation(call, { simulationMode: 'Strict' })
  if (answer.resultType === 'error') throw new Error(JSON.stringify(answer.errors))
  const ignored = answer.result?.ignoredContextKeys ?? answer.results.flatMap((one) => one.ignoredContextKeys ?? [])
  if (ignored.length) throw new Error(`${call.request.action} has no keys ${ignored}`)
  return answer.overallResult === 'Allowed'
}

/** One test for each call of a table of `[what, call]`. */
export function expect(expected, calls) {
  for (const [what, call] of calls) {
    const { action, resource } = call.request
    test(`${expected ? 'may' : 'may not'}: ${what} (${action})`, async () => {
      const allowed = await isAllowed(call)
      assert.equal(allowed, expected, `${action} on ${resource.resource} as ${JSON.stringify(call.request.principal)}`)
    })
  }
}
