import type {TSchema} from 'typebox'
import {describe, expect, it} from 'vitest'
import {AgentMessage} from './agent-message.ts'
import * as api from './api.ts'
import * as common from './common.ts'
import * as desired from './desired.ts'
import {answerExamples, messageExamples, requestExamples} from './examples.ts'
import {Drain, FleetMessage} from './fleet-message.ts'
import * as observed from './observed.ts'
import {messageParser, ProtocolError, validator} from './validate.ts'

// Walks each schema beside its example, so that no field of any type can stay unchecked on the wire.

type Schema = {
  readonly type?: string
  readonly const?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly enum?: readonly string[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly maxItems?: number
}
type Place = {readonly path: readonly string[]; readonly schema: Schema; readonly nullable: boolean}
type Case = {
  readonly name: string
  readonly check: (value: unknown) => unknown
  readonly example: object
  readonly places: readonly Place[]
}

const apiSchemas = api as unknown as Record<string, TSchema>
const closed = new Set(Object.keys(requestExamples))
const visited = new Set<unknown>()

const messageCases = Object.entries({AgentMessage, FleetMessage}).flatMap(([union, schema]) =>
  Object.entries(messageExamples[union as keyof typeof messageExamples]).map(([type, example]): Case => {
    const parse = messageParser(schema)
    const part = partsOf(schema as Schema).get(type)
    const places = placesOf(part as Schema, example, []).filter(({path}) => path[0] !== 'type')
    return {name: `${union} ${type}`, check: (value) => parse(JSON.stringify(value)), example, places}
  }),
)
const apiCases = Object.entries({...answerExamples, ...requestExamples}).map(([name, example]): Case => {
  const schema = apiSchemas[name] as TSchema
  return {name, check: validator(schema), example, places: placesOf(schema as Schema, example, [])}
})

describe.each([...messageCases, ...apiCases])('$name', ({name, check, example, places}) => {
  it('passes as it stands, and with null where that may be', () => {
    expect(complaintOf(check, example)).toBeNull()
    for (const {path} of places.filter(({nullable}) => nullable)) {
      expect(complaintOf(check, changed(example, path, null)), pointer(path)).toBeNull()
    }
  })

  it(closed.has(name) ? 'has no unknown field' : 'lets an unknown field through, anywhere', () => {
    for (const {path} of places.filter(({schema}) => schema.properties)) {
      const newer = changed(example, [...path, 'later'], {x: 1})
      if (closed.has(name)) expect(complaintOf(check, newer), pointer(path)).toContain("'later'")
      else expect(complaintOf(check, newer), pointer(path)).toBeNull()
    }
  })

  it('refuses each broken field by its path', () => {
    for (const {path, schema} of places.filter((place) => place.path.length > 0)) {
      for (const wrong of wrongValues(schema)) {
        const complaint = complaintOf(check, changed(example, path, wrong))
        expect(complaint, `${pointer(path)} as ${JSON.stringify(wrong)}`).toContain(pointer(path))
      }
    }
  })

  it('refuses a missing field by its name', () => {
    for (const {path, schema} of places) {
      for (const field of schema.required ?? []) {
        if (field === 'type') continue // what has none is not looked at any further
        const complaint = complaintOf(check, changed(example, [...path, field], undefined))
        expect(complaint, pointer([...path, field])).toContain(`required property '${field}'`)
      }
    }
  })
})

describe('the examples', () => {
  it('hold every type that crosses a border', () => {
    const types = {...api, ...common, ...desired, ...observed, Drain} as unknown as Record<string, Schema>
    const missing = Object.entries(types).filter(([, schema]) => schema.type === 'object' && !visited.has(schema))
    expect(missing.map(([name]) => name)).toEqual([])
    expect(Object.keys(messageExamples.AgentMessage)).toEqual([...partsOf(AgentMessage as Schema).keys()])
    expect(Object.keys(messageExamples.FleetMessage)).toEqual([...partsOf(FleetMessage as Schema).keys()])
  })
})

function partsOf({oneOf = []}: Schema): ReadonlyMap<string | undefined, Schema> {
  return new Map(oneOf.map((part) => [part.properties?.['type']?.const, part]))
}

/** Each field of a value with its schema, itself first. Throws where the example leaves one out. */
function placesOf(outer: Schema, value: unknown, path: readonly string[]): readonly Place[] {
  const schema = outer.anyOf?.[0] ?? outer
  visited.add(outer).add(schema)
  if (schema.allOf) return schema.allOf.flatMap((part) => placesOf(part, value, path))
  if (value === undefined || value === null) throw new Error(`the example has no ${pointer(path)}`)
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, inner]) =>
    placesOf(inner, (value as Record<string, unknown>)[name], [...path, name]),
  )
  const items = schema.items ? placesOf(schema.items, (value as unknown[])[0], [...path, '0']) : []
  return [{path, schema, nullable: schema !== outer}, ...fields, ...items]
}

function wrongValues(schema: Schema): readonly unknown[] {
  const limits = [
    ...(schema.enum || schema.pattern ? ['!'] : []),
    ...(schema.minimum === undefined ? [] : [schema.minimum - 1]),
    ...(schema.maximum === undefined ? [] : [schema.maximum + 1]),
    ...(schema.maxLength === undefined ? [] : ['a'.repeat(schema.maxLength + 1)]),
    ...(schema.maxItems === undefined ? [] : [Array.from({length: schema.maxItems + 1}, (_, index) => String(index))]),
    ...(schema.type === 'integer' ? [1.5] : []),
  ]
  return [schema.type === 'string' ? 7 : 'text', ...limits]
}

const pointer = (path: readonly string[]): string => path.map((part) => `/${part}`).join('')

/** A copy with one field set; `undefined` takes it out. */
function changed(value: unknown, [first, ...rest]: readonly string[], to: unknown): unknown {
  if (first === undefined) return to
  const copy = (Array.isArray(value) ? [...value] : {...(value as object)}) as Record<string, unknown>
  const inner = rest.length === 0 ? to : changed(copy[first], rest, to)
  if (inner === undefined) delete copy[first]
  else copy[first] = inner
  return copy
}

function complaintOf(check: (value: unknown) => unknown, value: unknown): string | null {
  try {
    check(value)
    return null
  } catch (error) {
    if (error instanceof ProtocolError) return error.message
    throw error
  }
}
