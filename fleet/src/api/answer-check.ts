import {ProtocolError, validator} from '@hearth/proto/validate'
import type {TSchema} from 'typebox'

// For tests: judges what an API answered by the OpenAPI document that it serves.

export type SeenAnswer = {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly type: string
  readonly text: string
}
type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
}
type Content = Readonly<Record<string, {readonly schema: Schema}>>
type Operation = {readonly responses: Readonly<Record<string, {readonly content?: Content}>>}
export type OpenApi = {readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>}

/** Throws, saying what does not fit: the status, the content type, or a field that is wrong, missing or not documented. */
export const answerCheck = ({paths}: OpenApi): ((seen: SeenAnswer) => void) => {
  const routes = Object.entries(paths).map(([path, operations]) => ({pattern: patternOf(path), operations}))
  return ({method, path, status, type, text}) => {
    const where = `${method} ${path} answered ${status} ${type}`
    const [pathname] = path.split('?', 1)
    const operation = routes.find(
      ({pattern, operations}) => pattern.test(pathname as string) && operations[method.toLowerCase()],
    )?.operations[method.toLowerCase()]
    if (!operation) {
      if (status >= 400 && status < 500) return
      throw new Error(`${where}: no such route is documented`)
    }
    const response = operation.responses[status] ?? operation.responses[`${String(status)[0]}XX`]
    if (!response) throw new Error(`${where}: this status is not documented`)
    checkBody(response.content ?? {}, type.split(';', 1)[0] as string, text, where)
  }
}

/** The last parameter of a path may hold slashes: project names do. */
const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replace(/\{project\}/g, '.+').replace(/\{\w+\}/g, '[^/]+')}$`)

const checkBody = (content: Content, type: string, text: string, where: string): void => {
  if (Object.keys(content).length === 0) {
    if (text !== '') throw new Error(`${where}: no body is documented`)
    return
  }
  const media = content[type]
  if (!media) throw new Error(`${where}: this content type is not documented`)
  const values =
    type === 'application/json' ? [text] : type === 'application/x-ndjson' ? text.trimEnd().split('\n') : []
  const check = validator(closed(media.schema) as TSchema)
  for (const value of values) {
    try {
      check(JSON.parse(value))
    } catch (error) {
      throw error instanceof ProtocolError ? new Error(`${where}: ${error.message}`, {cause: error}) : error
    }
  }
}

/** The schema without room for fields that it does not name. */
const closed = (schema: Schema): Schema => {
  if (schema.allOf) return closed(merged(schema.allOf))
  const {properties, items, anyOf} = schema
  const inner = properties && Object.entries(properties)
  return {
    ...schema,
    ...(inner &&
      inner.length > 0 && {
        properties: Object.fromEntries(inner.map(([name, each]) => [name, closed(each)])),
        additionalProperties: false,
      }),
    ...(items && {items: closed(items)}),
    ...(anyOf && {anyOf: anyOf.map(closed)}),
  }
}

const merged = (parts: readonly Schema[]): Schema => ({
  ...parts[0],
  properties: Object.assign({}, ...parts.map(({properties}) => properties)) as Record<string, Schema>,
  required: parts.flatMap(({required = []}) => required),
})
