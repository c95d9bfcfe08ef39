import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'

export const keyDisable: Command = {
  usage: ['KEY...'],
  options: [],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal key disable K3XAMPLE', explains: 'refused from the next request on' }],
  run: (invocation) => setEnabled(invocation, false),
}

export const keyEnable: Command = {
  usage: ['KEY...'],
  options: [],
  connects: true,
  operands: { min: 1, max: Infinity },
  examples: [{ command: 'shoal key enable K3XAMPLE', explains: 'accepted again, with the secret that it had' }],
  run: (invocation) => setEnabled(invocation, true),
}

async function setEnabled({ operands, output, connect }: Invocation, enabled: boolean): Promise<number> {
  const client = connect()
  for (const accessKey of operands) {
    const key = await client.keys.update(accessKey, { enabled })
    await (output.json ? output.value(key) : output.line(`${enabled ? 'Enabled' : 'Disabled'} access key ${accessKey}`))
  }
  return EXIT.ok
}
