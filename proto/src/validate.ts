import {Ajv, type ErrorObject, type ValidateFunction} from 'ajv'
import type {Static, TSchema} from 'typebox'

/** A value that breaks its schema. The message names the first bad field: `/builders/0/epoch must be >= 1`. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  /** Where the bad field is: `/builders/0/epoch`; empty for the whole value, or if it is not known. */
  readonly at: string

  constructor(message: string, {at = '', cause}: {at?: string; cause?: unknown} = {}) {
    super(message, {cause})
    this.at = at
  }
}

const ajv = new Ajv({discriminator: true, allErrors: false, strict: false})

const complaint = (error: ErrorObject): string => {
  const {instancePath, message = 'is not valid', params} = error
  const where = instancePath || 'the message'
  if (Array.isArray(params['allowedValues'])) {
    return `${where} must be one of ${params['allowedValues'].map((value) => `'${String(value)}'`).join(', ')}`
  }
  const name = 'additionalProperty' in params ? ` '${String(params['additionalProperty'])}'` : ''
  return `${where} ${message}${name}`
}

/** Compiles a schema once, on first use. The returned function throws `ProtocolError`, naming the field, or returns its argument. */
export const validator = <S extends TSchema>(schema: S): ((value: unknown) => Static<S>) => {
  let check: ValidateFunction | undefined
  return (value) => {
    check ??= ajv.compile(schema)
    if (check(value)) return value as Static<S>
    const [error] = check.errors ?? []
    throw error ? new ProtocolError(complaint(error), {at: error.instancePath}) : new ProtocolError('not valid')
  }
}

const typesOf = (union: TSchema): readonly string[] =>
  (union as unknown as {oneOf: {properties: {type: {const: string}}}[]}).oneOf.map(
    (member) => member.properties.type.const,
  )

export type Parsed<M> = {readonly known: true; readonly message: M} | {readonly known: false; readonly type: string}

/**
 * Parses one text frame of a `unionByType`. An unknown `type` is a value, not an error: the peer may be newer, and is answered
 * `unsupported`. Throws `ProtocolError` for what is not JSON, has no `type`, or breaks the schema of its type.
 */
export const messageParser = <S extends TSchema>(union: S): ((text: string) => Parsed<Static<S>>) => {
  const types = new Set(typesOf(union))
  const validate = validator(union)
  return (text) => {
    const value = parseJson(text)
    const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined
    if (typeof type !== 'string') throw new ProtocolError("the message has no 'type'")
    return types.has(type) ? {known: true, message: validate(value)} : {known: false, type}
  }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ProtocolError('the message is not JSON', {cause})
  }
}
