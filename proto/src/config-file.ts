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
    if (error instanceof ProtocolError) throw new ConfigError(`${file}: ${error.message}`, {cause: error})
    throw error
  }
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
