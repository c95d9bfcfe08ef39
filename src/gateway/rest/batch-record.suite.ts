/** A record of a batch as docs/rest.md has it. */
export function batchRecord(header: unknown, body: string): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  return Buffer.concat([length, json, Buffer.from(body)])
}
