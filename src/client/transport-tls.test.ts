import assert from 'node:assert/strict'
import { createServer as createPlainServer } from 'node:http'
import type { Server } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { makeCertificate } from '#node/make-certificate.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { Transport } from './transport.ts'

const HOUR_MS = 3_600_000

let server: Server | undefined
let transport: Transport | undefined

afterEach(async () => {
  await transport?.close()
  server?.closeAllConnections()
  server?.close()
})

interface Certified {
  readonly hosts?: readonly string[]
  readonly fromMs?: number
  readonly toMs?: number
}

/** A server that answers everything with an empty object; its certificate. */
async function serve({ hosts = ['localhost'], fromMs = -HOUR_MS, toMs = HOUR_MS }: Certified = {}): Promise<string> {
  const pair = await makeCertificate({
    names: { hosts, addresses: [] },
    notBeforeMs: Date.now() + fromMs,
    notAfterMs: Date.now() + toMs,
    serialNumber: nodeRandom.bytes(8),
  })
  server = createServer({ cert: pair.certificate, key: pair.key }, (_request, response) => response.end('{}'))
  await listening(server)
  return pair.certificate
}

async function listening(each: Server): Promise<void> {
  await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve))
}

function call({ authorities }: { readonly authorities?: readonly string[] } = {}) {
  transport = new Transport({
    endpoint: `https://localhost:${(server!.address() as AddressInfo).port}`,
    accessKey: 'k',
    secretKey: 's',
    authorities,
    clock: nodeClock,
    random: nodeRandom,
  })
  return transport.send({ method: 'GET', path: '/status' })
}

test('a certificate that is trusted lets calls through', async () => {
  const certificate = await serve()
  assert.equal((await call({ authorities: [certificate] })).body.toString(), '{}')
})

const REFUSED: readonly {
  readonly what: string
  readonly certified: Certified
  readonly trust: boolean
  readonly says: RegExp
}[] = [
  { what: 'untrusted', certified: {}, trust: false, says: /signed by nobody who is trusted here/ },
  { what: 'name', certified: { hosts: ['files.example'] }, trust: true, says: /is for another host: DNS:files\.example/ },
  { what: 'expired', certified: { fromMs: -2 * HOUR_MS, toMs: -HOUR_MS }, trust: true, says: /has run out/ },
  { what: 'early', certified: { fromMs: HOUR_MS, toMs: 2 * HOUR_MS }, trust: true, says: /not valid yet/ },
]

for (const { what, certified, trust, says } of REFUSED) {
  test(`a certificate with the problem "${what}" is an error by that name, at once`, async () => {
    const certificate = await serve(certified)
    const startedMs = performance.now()
    await assert.rejects(
      call(trust ? { authorities: [certificate] } : {}),
      (error) => isShoalError(error, 'UNAVAILABLE') && error.details['certificate'] === what && says.test(error.message),
    )
    assert.ok(performance.now() - startedMs < 1000, 'not tried again')
  })
}

test('an https endpoint where plain HTTP is spoken is an error that says so', async () => {
  server = createPlainServer((_request, response) => response.end('{}'))
  await listening(server)
  const startedMs = performance.now()
  await assert.rejects(call(), (error) => isShoalError(error, 'UNAVAILABLE') && /does not speak TLS/.test(error.message))
  assert.ok(performance.now() - startedMs < 1000, 'not tried again')
})
