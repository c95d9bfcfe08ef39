// System calls as data: what is drawn, done in two directories, shortened and replayed.

export type Argument = string | number | boolean | null | readonly Argument[]

/** What `call-program.py` does, as which of its identities (0 is root), under which umask. Bytes that aren't UTF-8 are in names as Python
 *  has them: U+DC80 to U+DCFF. What is open goes by slots, numbers that calls choose. */
export type Call = readonly [name: string, who: number, umask: number, ...args: Argument[]]

/** What happens to the mount between calls. Whatever is open is closed before, and stays open in `settle`. */
export const STAGES = ['settle', 'remount', 'kill', 'switch'] as const
export type Stage = (typeof STAGES)[number]

export function stageOf([name]: Call): Stage | undefined {
  return STAGES.find((stage) => stage === name)
}

/** A line for each: what `parseCalls` reads. */
export function formatCalls(calls: readonly Call[]): string {
  return calls.map((call) => JSON.stringify(call)).join('\n')
}

export function parseCalls(text: string): Call[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('['))
    .map((line) => JSON.parse(line) as Call)
}
