import type { RemoteKeyWithSecret } from '#client/wire.ts'
import type { Output } from './output.ts'

/** Prints a key with its secret, which nobody can ask for again. */
export async function printSecret(output: Output, key: RemoteKeyWithSecret): Promise<void> {
  if (output.json) {
    await output.value(key)
    return
  }
  await output.line(`access key  ${key.accessKey}`)
  await output.line(`secret key  ${key.secretKey}`)
  await output.line(`principal   ${key.principal}`)
  output.note('The secret is shown this once.')
}
