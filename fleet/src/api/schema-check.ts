import {ApiError} from '@hearth/proto/api'
import {validator} from '@hearth/proto/validate'
import type {FastifySchema, FastifyServerOptions} from 'fastify'
import {type TSchema, Type} from 'typebox'
import type {Route} from './route.ts'

/** A route's schemas as Fastify and the OpenAPI document want them. */
export const schemaOf = ({body, query, answer, access, status = 200, streams}: Route): FastifySchema => ({
  ...(body && {body}),
  ...(query && {querystring: query}),
  response: {
    ...(answer === null ? {204: {type: 'null', description: 'Done'}} : {[status]: answerOf(answer, streams ?? false)}),
    '4xx': {description: 'Refused', content: {'application/json': {schema: ApiError}}},
    '5xx': {description: 'The fleet failed', content: {'application/json': {schema: ApiError}}},
  },
  ...(access === 'token' || access === 'admin' ? {security: [{token: []}]} : {}),
})

const answerOf = (answer: TSchema | string, streams: boolean) => {
  if (typeof answer === 'string') return {description: 'Text', content: {[answer]: {schema: Type.String()}}}
  const lines = streams && {'application/x-ndjson': {schema: answer}}
  return {description: 'The answer', content: {'application/json': {schema: answer}, ...lines}}
}

/**
 * For Fastify, so that neither of its own compilers is loaded: proto's validator names the bad field, JSON.stringify drops none.
 * The cast is for its type of a validator factory, which is that of its own compiler's package.
 */
export const schemaController = {
  compilersFactory: {buildValidator: () => checkPart, buildSerializer: () => () => JSON.stringify},
} as unknown as NonNullable<FastifyServerOptions['schemaController']>

/** Fastify's validator: throws nothing, answers the value or the `ProtocolError`. Each schema is compiled on first use. */
const checkPart = ({schema, httpPart}: {schema: unknown; httpPart?: string}) => {
  const check = validator(schema as TSchema)
  return (value: unknown) => {
    try {
      return {value: check(httpPart === 'querystring' ? withNumbers(value, schema as TSchema) : value)}
    } catch (error) {
      return {error: error as Error}
    }
  }
}

/** A query holds strings only; those that the schema calls integers become numbers, if they look like one. */
const withNumbers = (query: unknown, schema: TSchema): unknown => {
  const {properties = {}} = schema as {properties?: Record<string, {type?: string}>}
  const entries = Object.entries(query as Record<string, unknown>).map(([name, value]) => {
    const number = properties[name]?.type === 'integer' && typeof value === 'string' && /^\d{1,15}$/.test(value)
    return [name, number ? Number(value) : value]
  })
  return Object.fromEntries(entries)
}
