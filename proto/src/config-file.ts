import type {Static, TProperties, TSchema} from 'typebox'
import {nearest} from './nearest.ts'
import {ProtocolError, validator} from './validate.ts'

/** A configuration that can't be used. The message names the file, the key, and what is meant instead where that can be guessed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Checks what a configuration file says against its schema (an object, possibly with objects in it) and freezes it. Unknown keys are
 * refused with the nearest key named. Throws `ConfigError`. `null` (an empty file) is an empty configuration.
 */
export const checkConfig = <S extends TSchema & {properties: TProperties}>(
  schema: S,
  value: unknown,
  file: string,
): Readonly<Static<S>> => {
  const config = value ?? {}
  refuseUnknownKeys(schema, config, file, '')
  try {
    return Object.freeze(validator(schema)(config))
  } catch (error) {
    if (error instanceof ProtocolError)
      throw new ConfigError(`${file}: ${complaint(schema, config, error)}`, {cause: error})
    throw error
  }
}

/** `policy.warmIdle is "5", but must be a duration such as 10m`; without a description, the schema's own complaint. */
const complaint = (schema: TSchema, config: unknown, {at, message}: ProtocolError): string => {
  const path = at.split('/').slice(1)
  if (path.length === 0) return 'it must hold keys with values, such as `logLevel: info`'
  let value: unknown = config
  let described: Described | undefined = schema
  for (const key of path) {
    value = (value as Record<string, unknown>)[key]
    described = described?.properties?.[key] ?? described?.items
  }
  const must = described?.description ? `must be ${described.description}` : message.slice(at.length).trim()
  return `${path.join('.')} is ${JSON.stringify(value)}, but ${must}`
}

type Described = {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Described>>
  readonly items?: Described
}

const refuseUnknownKeys = (schema: TSchema, value: unknown, file: string, path: string): void => {
  const properties = (schema as {properties?: Record<string, TSchema>}).properties
  if (!properties || typeof value !== 'object' || value === null || Array.isArray(value)) return
  const known = Object.keys(properties)
  for (const [key, inner] of Object.entries(value)) {
    const next = properties[key]
    if (next) refuseUnknownKeys(next, inner, file, `${path}${key}.`)
    else throw new ConfigError(`${file}: there is no key '${path}${key}'${hint(key, known, path)}`)
  }
}

const hint = (key: string, known: readonly string[], path: string): string => {
  const meant = nearest(key, known)
  return meant ? `; did you mean '${path}${meant}'?` : `; known keys: ${known.join(', ')}`
}
