import {type Static, type TSchema, Type} from 'typebox'

/** A value or null; plain JSON has no `undefined`, and a missing field means an older peer. */
export const nullable = <S extends TSchema>(schema: S) =>
  Type.Unsafe<Static<S> | null>({anyOf: [schema, {type: 'null'}]})

/** A string that is one of a few. */
export const oneOf = <const Words extends readonly string[]>(...words: Words) =>
  Type.Unsafe<Words[number]>({type: 'string', enum: [...words]})

/** An object with a `type` that names it. Unknown fields are let through: the peer may be newer. */
export const message = <const Name extends string, Fields extends Record<string, TSchema>>(
  type: Name,
  fields: Fields,
) => Type.Object({type: Type.Literal(type), ...fields})

/** A union told apart by `type`. Not `Type.Union`: that emits `anyOf`, and ajv's `discriminator` needs `oneOf`. */
export const unionByType = <M extends readonly TSchema[]>(...members: M) =>
  Type.Unsafe<Static<M[number]>>({
    type: 'object',
    required: ['type'],
    discriminator: {propertyName: 'type'},
    oneOf: [...members],
  })

/** A moment on the sender's clock, milliseconds since 1970. Shown to people and subtracted from its like; never a fence. */
export const TimeMs = Type.Integer({minimum: 0})
/** A length of time in milliseconds. */
export const DurationMs = Type.Number({minimum: 0})
export const Bytes = Type.Integer({minimum: 0})
