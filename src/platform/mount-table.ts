/** One row of /proc/self/mountinfo. */
export interface MountRow {
  /** Major and minor number: `0:52`. */
  readonly device: string
  readonly directory: string
  readonly type: string
  readonly source: string
}

/** Reads /proc/self/mountinfo (proc(5)): device and directory are the third and the fifth field, type and source follow a lone `-`. Rows that don't
 *  look like that are left out. */
export function parseMountTable(text: string): readonly MountRow[] {
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ')
    const [, , device, , directory] = before?.split(' ') ?? []
    const [type, source] = after?.split(' ') ?? []
    if (device === undefined || directory === undefined || type === undefined || source === undefined) return []
    return [{ device, directory: unescape(directory), type, source: unescape(source) }]
  })
}

/** What is mounted at `directory`: the last of those that lie there on top of each other. */
export function findMount(rows: readonly MountRow[], directory: string): MountRow | undefined {
  return rows.findLast((row) => row.directory === directory)
}

/** Blanks, tabs, line feeds and backslashes are there as three octal digits. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
