// A node whose key-value file can be taken away from under it: failing-disk.child.ts FOLDER. It sends its address to its
// parent, and closes the file's descriptors when the parent sends anything.

import { closeSync, readdirSync, readlinkSync } from 'node:fs'
import { startInProcess } from './node-in-process.ts'

const [data = ''] = process.argv.slice(2)

function targetOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  const node = await startInProcess(data)
  process.on('message', () => {
    const broken = readdirSync('/proc/self/fd').filter((descriptor) => targetOf(descriptor)?.endsWith('/data.mdb') === true)
    for (const descriptor of broken) closeSync(Number(descriptor))
    process.send?.(broken.length)
  })
  process.send?.(node.url)
}
