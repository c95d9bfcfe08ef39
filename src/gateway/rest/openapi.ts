import { z } from 'zod'
import { ERROR_STATUS } from '#gateway/http/error-status.ts'
import { VOLUME_ID_HEADER } from './open-volume.ts'
import { statusText } from './problem.ts'
import { COMMON_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { NAMED_SCHEMAS } from './schemas.ts'

type Json = Record<string, unknown>

/** The OpenAPI 3.1 document of `routes`. `{path*}` becomes `{path}` there: its slashes need no encoding, which OpenAPI has
 *  no word for. */
export function buildOpenApi(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const path = route.path.replace('*}', '}')
    paths[path] ??= {}
    paths[path][route.method.toLowerCase()] = operationOf(route)
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Shoal', version: '1', description: 'Files over HTTP: see docs/rest.md' },
    servers: [{ url: '/' }],
    security: [{ basic: [] }],
    paths,
    components: {
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic', description: 'The access key as the name, its secret as the password' },
      },
      schemas: Object.fromEntries(Object.entries(NAMED_SCHEMAS).map(([name, schema]) => [name, jsonSchemaOf(schema)])),
    },
  }
}

function operationOf(route: Route): Json {
  return {
    operationId: route.operation,
    summary: route.summary,
    ...(route.open === true ? { security: [] } : {}),
    parameters: [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: route.body.required ?? false,
            content: {
              [route.body.contentType]: route.body.schema === undefined ? {} : { schema: referenceTo(route.body.schema) },
            },
          },
        }),
    responses: responsesOf(route),
  }
}

function pathParameters(route: Route): Json[] {
  return [...route.path.matchAll(/\{(\w+)(\*?)\}/g)].map(([, name, rest]) => ({
    name,
    in: 'path',
    required: true,
    ...(rest === '*' ? { description: 'Percent-encoded bytes; slashes stand between names' } : {}),
    schema: { type: 'string' },
  }))
}

function queryParameters(route: Route): Json[] {
  if (route.query === undefined) return []
  const schema = jsonSchemaOf(route.query) as { properties?: Record<string, Json>; required?: string[] }
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const { description, ...rest } = property
    return {
      name,
      in: 'query',
      required: schema.required?.includes(name) ?? false,
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }
  })
}

function headerParameters(route: Route): Json[] {
  const once = route.isRemembered === true ? ['Idempotency-Key', 'X-Shoal-First-Try'] : []
  const inVolume = route.path.startsWith('/api/v1/volumes/{volume}/') ? [VOLUME_ID_HEADER] : []
  return [...(route.requestHeaders ?? []), ...once, ...inVolume].map((name) => ({
    name,
    in: 'header',
    required: false,
    schema: { type: 'string' },
  }))
}

function responsesOf(route: Route): Json {
  const responses: Record<string, Json> = {}
  for (const [status, response] of Object.entries(route.responses)) {
    const contentType = response.contentType ?? (response.schema === undefined ? undefined : 'application/json')
    responses[status] = {
      description: response.description,
      ...(contentType === undefined
        ? {}
        : { content: { [contentType]: response.schema === undefined ? {} : { schema: referenceTo(response.schema) } } }),
    }
  }
  for (const [status, codes] of errorsByStatus(route)) {
    responses[status] ??= {
      description: `${statusText(Number(status))}: ${codes.join(', ')}`,
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    }
  }
  return responses
}

/** The error statuses that a route documents, with their codes. */
export function errorsByStatus(route: Route): Map<string, string[]> {
  const byStatus = new Map<string, string[]>()
  for (const code of new Set([...route.errors, ...(route.open === true ? [] : COMMON_ERRORS)])) {
    const status = String(ERROR_STATUS[code])
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return byStatus
}

function referenceTo(schema: z.ZodType): Json {
  const name = Object.keys(NAMED_SCHEMAS).find((candidate) => NAMED_SCHEMAS[candidate] === schema)
  return name === undefined ? jsonSchemaOf(schema) : { $ref: `#/components/schemas/${name}` }
}

function jsonSchemaOf(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json
  return rest
}
