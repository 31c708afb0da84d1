import {Type} from 'typebox'
import {describe, expect, it} from 'vitest'
import {checkConfig} from './config-file.ts'

const schema = Type.Object({
  slots: Type.Optional(Type.Integer({minimum: 1})),
  builder: Type.Optional(Type.Object({memory: Type.Optional(Type.String())})),
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
    expect(() => checkConfig(schema, {qqqq: 3}, 'a.yaml')).toThrow('known keys: slots, builder')
  })

  it('names a bad value', () => {
    expect(() => checkConfig(schema, {slots: 0}, 'a.yaml')).toThrow('a.yaml: /slots must be >= 1')
    expect(() => checkConfig(schema, 'x', 'a.yaml')).toThrow('must be object')
  })
})
