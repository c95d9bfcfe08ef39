import process from 'node:process'
import type { ClientOptions } from '#client/shoal-client.ts'
import { closest } from '#config/closest.ts'
import { ShoalError } from '#foundation/errors.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { allOptions } from './command.ts'
import type { Command, CommandEntry, Invocation } from './command.ts'
import { COMMANDS, findCommand, groupOf } from './commands.ts'
import { EXIT, exitCodeOf } from './exit-code.ts'
import { commandHelp, exitCodesHelp, overview } from './help.ts'
import type { Io } from './io.ts'
import { parseOptions } from './option-values.ts'
import { Output } from './output.ts'
import { describeError, errorValue } from './report-error.ts'
import { usageError } from './usage-error.ts'
import { shoalVersion } from './version.ts'
import { watchInterrupts } from './watch-interrupts.ts'

/** Runs the command line `argv` (without the program's name) and resolves with its exit code. Never rejects. */
export async function main(argv: readonly string[], io: Io = process): Promise<number> {
  // Pending waits of their own, such as a retry's delay, must not let the process end early.
  const awake = setInterval(() => undefined, 1_000_000)
  const onError = (error: NodeJS.ErrnoException) => leaveWithReader(error, io)
  io.stdout.on('error', onError)
  // A log on a full disk ends nobody who serves; nor does a terminal that is closed.
  io.stderr.on('error', () => undefined)
  const wantsJson = argv.includes('--json')
  try {
    return await dispatch(argv, io)
  } catch (error) {
    io.stderr.write(wantsJson ? `${JSON.stringify(errorValue(error))}\n` : `shoal: ${describeError(error)}\n`)
    return exitCodeOf(error)
  } finally {
    clearInterval(awake)
    io.stdout.off('error', onError)
  }
}

/** Whoever reads our output (`shoal ls | head`) has had enough. */
function leaveWithReader(error: NodeJS.ErrnoException, io: Io): void {
  if (io === process && error.code === 'EPIPE') process.exit(EXIT.ok)
  throw error
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [first, second] = argv
  if (first === undefined || first === 'help' || first === '--help' || first === '-h') return help(argv.slice(1), io)
  if (first === '--version' || first === 'version') return version(io, argv.includes('--json'))
  const pair = second === undefined ? undefined : findCommand(`${first} ${second}`)
  const entry = pair ?? findCommand(first)
  if (entry === undefined) return unknownCommand(first, second, io)
  const command = await entry.load()
  const args = argv.slice(pair === undefined ? 1 : 2)
  if (wantsHelp(args, command)) {
    io.stdout.write(`${commandHelp(entry, command)}\n`)
    return EXIT.ok
  }
  return run({ entry, command, args }, io)
}

async function run(
  { entry, command, args }: { entry: CommandEntry; command: Command; args: readonly string[] },
  io: Io,
): Promise<number> {
  const { operands, values } = parseOptions(entry.name, command.spread?.(args) ?? args, allOptions(command))
  const { min, max } = command.operands
  if (operands.length < min || operands.length > max) {
    const what = operands.length < min ? 'needs more operands' : `has no use for "${operands[max]}"`
    throw usageError(`shoal ${entry.name} ${what}: shoal ${entry.name} ${command.usage.join(' | ')}`)
  }
  // A variable of a script that isn't set, mostly.
  if (operands.includes(''))
    throw usageError(`An operand of shoal ${entry.name} is empty: shoal ${entry.name} ${command.usage.join(' | ')}`)
  const output = new Output(io, { json: values.has('json') })
  const interruption = watchInterrupts(io === process ? process : undefined, {
    clock: nodeClock,
    endNow: () => process.exit(EXIT.interrupted),
  })
  const opened: { close(): Promise<void> }[] = []
  try {
    const { connect } = command.connects ? await prepareConnection(values, { io, opened, entry }) : { connect: notConnected }
    const invocation: Invocation = {
      operands,
      options: values,
      io,
      output,
      clock: nodeClock,
      random: nodeRandom,
      signal: interruption.signal,
      releaseSignals: interruption.stop,
      connect,
    }
    const code = await command.run(invocation)
    await output.flush()
    return code
  } catch (error) {
    await output.flush()
    throw error
  } finally {
    interruption.stop()
    for (const each of opened) await each.close()
  }
}

interface Preparation {
  readonly io: Io
  readonly opened: { close(): Promise<void> }[]
  readonly entry: CommandEntry
}

async function prepareConnection(
  values: Invocation['options'],
  { io, opened, entry }: Preparation,
): Promise<Pick<Invocation, 'connect'>> {
  // Checking a stopped node needs no connection, and `--data` names the folder to check.
  if (entry.name === 'fsck' && values.has('data')) return { connect: notConnected }
  const [{ resolveConnection }, { ShoalClient }, { LeaderNotice }] = await Promise.all([
    import('./connection.ts'),
    import('#client/shoal-client.ts'),
    import('./leader-notice.ts'),
  ])
  const connection = await resolveConnection(values, io.env)
  const open = (settings: Partial<ClientOptions>) => {
    const client = new ShoalClient({ ...connection, ...settings, clock: nodeClock, random: nodeRandom })
    opened.push(client)
    return client
  }
  const notice = values.has('json') ? undefined : new LeaderNotice(io, () => open({ tries: 1 }).cluster)
  return { connect: (limits = {}) => open({ ...limits, onWait: notice && (() => void notice.look()) }) }
}

function notConnected(): never {
  throw new ShoalError('INTERNAL', 'This command has no connection')
}

function wantsHelp(args: readonly string[], command: Command): boolean {
  const end = args.indexOf('--')
  const before = end < 0 ? args : args.slice(0, end)
  return before.includes('--help') || (before.includes('-h') && !command.options.some(({ short }) => short === 'h'))
}

async function help(words: readonly string[], io: Io): Promise<number> {
  const topic = words.filter((word) => !word.startsWith('-')).join(' ')
  const entry = findCommand(topic)
  if (topic === 'exit-codes') io.stdout.write(`${exitCodesHelp()}\n`)
  else if (entry !== undefined) io.stdout.write(`${commandHelp(entry, await entry.load())}\n`)
  else if (topic === '') io.stdout.write(`${overview()}\n`)
  else if (groupOf(topic).length > 0) io.stdout.write(`${overview(groupOf(topic))}\n`)
  else return unknownCommand(topic, undefined, io)
  return EXIT.ok
}

function unknownCommand(first: string, second: string | undefined, io: Io): number {
  const group = groupOf(first)
  if (group.length > 0 && (second === undefined || second === '--help' || second === '-h')) {
    const stream = second === undefined ? io.stderr : io.stdout
    stream.write(`${overview(group)}\n`)
    return second === undefined ? EXIT.usage : EXIT.ok
  }
  const typed = group.length > 0 ? `${first} ${second}` : first
  const names = COMMANDS.map(({ name }) => name)
  const guess = closest(
    typed,
    group.length > 0
      ? group.map(({ name }) => name)
      : [...names, ...new Set(names.map((name) => name.split(' ')[0] as string)), 'help'],
  )
  const hint = guess === undefined ? 'shoal help lists the commands' : `did you mean shoal ${guess}?`
  throw usageError(`There is no command "${typed}"; ${hint}`)
}

function version(io: Io, json: boolean): number {
  const number = shoalVersion()
  io.stdout.write(json ? `${JSON.stringify({ version: number })}\n` : `shoal ${number}\n`)
  return EXIT.ok
}
