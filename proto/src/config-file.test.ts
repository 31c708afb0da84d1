import {Type} from 'typebox'
import {describe, expect, it} from 'vitest'
import {checkConfig} from './config-file.ts'

const schema = Type.Object({
  slots: Type.Optional(Type.Integer({minimum: 1})),
  names: Type.Optional(Type.Array(Type.String({minLength: 1, description: 'a name'}))),
  builder: Type.Optional(Type.Object({memory: Type.Optional(Type.String({description: 'a size such as 4GB'}))})),
})

describe('checkConfig', () => {
  it('takes an empty file and a whole one', () => {
    expect(checkConfig(schema, null, 'a.yaml')).toEqual({})
    expect(checkConfig(schema, {slots: 3}, 'a.yaml')).toEqual({slots: 3})
  })

  it('names the file, the key and the nearest key', () => {
    expect(() => checkConfig(schema, {slot: 3}, 'a.yaml')).toThrow(
      "a.yaml: there is no key 'slot'; did you mean 'slots'?",
    )
    expect(() => checkConfig(schema, {builder: {memori: 1}}, 'a.yaml')).toThrow(
      "'builder.memori'; did you mean 'builder.memory'?",
    )
    expect(() => checkConfig(schema, {qqqq: 3}, 'a.yaml')).toThrow('known keys: slots, names, builder')
  })

  it('names a bad value', () => {
    const complaint = (value: unknown) => () => checkConfig(schema, value, 'a.yaml')
    expect(complaint({slots: 0})).toThrow('a.yaml: slots is 0, but must be >= 1')
    expect(complaint({builder: {memory: 4}})).toThrow('a.yaml: builder.memory is 4, but must be a size such as 4GB')
    expect(complaint({names: ['a', '']})).toThrow('a.yaml: names.1 is "", but must be a name')
    expect(complaint('x')).toThrow('a.yaml: it must hold keys with values')
  })
})
