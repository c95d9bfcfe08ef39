import type { Command } from '../command.ts'
import { completionScript, SHELLS } from '../completion-script.ts'
import type { Shell } from '../completion-script.ts'
import { EXIT } from '../exit-code.ts'
import { usageError } from '../usage-error.ts'

export const completion: Command = {
  usage: [SHELLS.join('|')],
  options: [],
  connects: false,
  operands: { min: 1, max: 1 },
  examples: [
    { command: 'source <(shoal completion bash)', explains: 'in ~/.bashrc' },
    { command: 'shoal completion zsh > "${fpath[1]}/_shoal"', explains: 'for zsh' },
    { command: 'shoal completion fish > ~/.config/fish/completions/shoal.fish', explains: 'for fish' },
  ],
  async run({ operands, output }) {
    const [shell] = operands
    if (!SHELLS.includes(shell as Shell))
      throw usageError(`"${shell}" is not a shell that is known here: one of ${SHELLS.join(', ')} is expected`)
    const script = await completionScript(shell as Shell)
    await (output.json ? output.value({ shell, script }) : output.line(script))
    return EXIT.ok
  },
}
