import { openSync } from 'node:fs'
import { test } from 'node:test'
import { nodeClock } from './node-clock.ts'
import { NodeFuseDevice } from './node-fuse-device.ts'

test('a device is closed at whatever moment of the first notification, and the process goes on', async () => {
  // The thread that tells it is there after some 40 ms, of which some tenths of one matter.
  for (let round = 0; round < 120; round += 1) {
    const device = new NodeFuseDevice(openSync('/dev/null', 'r+'))
    const told = device.notify(Buffer.alloc(16)).catch(() => undefined)
    await nodeClock.sleep(20 + (round % 40))
    await device.close()
    await told
  }
})
