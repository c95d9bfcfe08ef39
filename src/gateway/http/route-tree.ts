/** A route found: its value, and the raw (still percent-encoded) segments that its placeholders stand for. */
export interface RouteMatch<Value> {
  readonly value: Value
  readonly parameters: readonly string[]
}

interface TreeNode<Value> {
  readonly children: Map<string, TreeNode<Value>>
  /** What `{name}` matches: one segment that isn't empty. */
  placeholder: TreeNode<Value> | undefined
  /** What `{name*}` matches: all the rest, even nothing. */
  rest: Map<string, Value> | undefined
  methods: Map<string, Value> | undefined
}

/** Routes by method and path, found by one walk over the segments of the path: its cost doesn't grow with the number of
 *  routes. Patterns are `/a/{b}/c` or end in `/{b*}`; a fixed segment goes before a placeholder, and without
 *  trying the other when the fixed one leads nowhere. */
export class RouteTree<Value> {
  readonly #root: TreeNode<Value> = emptyNode()

  add(method: string, pattern: string, value: Value): void {
    let node = this.#root
    for (const segment of pattern.slice(1).split('/')) {
      if (segment.startsWith('{') && segment.endsWith('*}')) {
        node.rest ??= new Map()
        node.rest.set(method, value)
        return
      }
      if (segment.startsWith('{')) {
        node.placeholder ??= emptyNode()
        node = node.placeholder
        continue
      }
      let next = node.children.get(segment)
      if (next === undefined) {
        next = emptyNode()
        node.children.set(segment, next)
      }
      node = next
    }
    node.methods ??= new Map()
    node.methods.set(method, value)
  }

  /** The route, the methods that the path has instead, or `undefined` for an unknown path. HEAD falls back on GET. */
  find(method: string, path: string): RouteMatch<Value> | { readonly allowed: readonly string[] } | undefined {
    const parameters: string[] = []
    const methods = this.#walk(path, parameters)
    if (methods === undefined) return undefined
    const value = methods.get(method) ?? (method === 'HEAD' ? methods.get('GET') : undefined)
    if (value === undefined) return { allowed: allowedMethods(methods) }
    return { value, parameters }
  }

  #walk(path: string, parameters: string[]): Map<string, Value> | undefined {
    let node = this.#root
    let start = 1
    for (;;) {
      const slash = path.indexOf('/', start)
      const segment = slash === -1 ? path.slice(start) : path.slice(start, slash)
      const child = node.children.get(segment)
      if (child !== undefined) {
        node = child
      } else if (node.rest !== undefined) {
        parameters.push(path.slice(start))
        return node.rest
      } else if (node.placeholder !== undefined && segment !== '') {
        parameters.push(segment)
        node = node.placeholder
      } else {
        return undefined
      }
      if (slash === -1) break
      start = slash + 1
    }
    if (node.methods !== undefined) return node.methods
    if (node.rest !== undefined) parameters.push('')
    return node.rest
  }
}

function emptyNode<Value>(): TreeNode<Value> {
  return { children: new Map(), placeholder: undefined, rest: undefined, methods: undefined }
}

function allowedMethods(methods: ReadonlyMap<string, unknown>): string[] {
  const names = new Set(methods.keys())
  if (names.has('GET')) names.add('HEAD')
  return [...names, 'OPTIONS'].sort()
}
