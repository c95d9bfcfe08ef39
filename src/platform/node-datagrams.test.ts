import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { Address, DatagramSocket } from './datagrams.ts'
import { nodeDatagrams } from './node-datagrams.ts'

interface Arrival {
  readonly bytes: Buffer
  readonly from: Address
}

/** A socket on loopback, and what arrives there. */
async function bind(host = '127.0.0.1') {
  const waiting: ((arrival: Arrival) => void)[] = []
  const errors: Error[] = []
  const socket: DatagramSocket = await nodeDatagrams.bind(
    { host, port: 0 },
    {
      onDatagram: (bytes, from) => waiting.shift()?.({ bytes, from }),
      onError: (error) => errors.push(error),
    },
  )
  return { socket, errors, arrival: () => new Promise<Arrival>((resolve) => waiting.push(resolve)) }
}

const has = (host: string) => Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === host))

for (const host of ['127.0.0.1', '::1']) {
  test(`a datagram arrives whole, with where it came from, at ${host}`, { skip: !has(host) }, async () => {
    const [a, b] = [await bind(host), await bind(host)]
    const bytes = Buffer.from('0123456789'.repeat(140))
    const arrived = b.arrival()
    a.socket.send(bytes, b.socket.local)
    assert.deepEqual(await arrived, { bytes, from: a.socket.local })
    await Promise.all([a.socket.close(), b.socket.close()])
  })
}

test('an address that is taken is UNAVAILABLE', async () => {
  const { socket } = await bind()
  await assert.rejects(nodeDatagrams.bind(socket.local, { onDatagram() {}, onError() {} }), (error) =>
    isShoalError(error, 'UNAVAILABLE'),
  )
  await socket.close()
})

test('what can not be sent is told to the error handler, and the socket goes on', async () => {
  const [a, b] = [await bind(), await bind()]
  a.socket.send(Buffer.alloc(100_000), b.socket.local)
  const arrived = b.arrival()
  a.socket.send(Buffer.from('after'), b.socket.local)
  assert.equal((await arrived).bytes.toString(), 'after')
  assert.equal(a.errors.length, 1)
  await Promise.all([a.socket.close(), b.socket.close()])
})

test('a socket that is closed sends nothing, and may be closed again', async () => {
  const { socket, errors } = await bind()
  await socket.close()
  socket.send(Buffer.from('x'), socket.local)
  await socket.close()
  assert.deepEqual(errors, [])
})
