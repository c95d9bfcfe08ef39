export const NODE_FLAGS: readonly string[]
export function runPinned(script: string, args: readonly string[]): Promise<void>
