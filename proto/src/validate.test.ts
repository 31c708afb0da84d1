import fc from 'fast-check'
import {Type} from 'typebox'
import {describe, expect, it} from 'vitest'
import {AgentMessage} from './agent-message.ts'
import {CreateBuild} from './api.ts'
import {messageParser, ProtocolError, validator} from './validate.ts'

const parse = messageParser(AgentMessage)
const createBuild = validator(CreateBuild)
const request = {key: 'k-12345678', project: 'acme/web', architectures: ['amd64'], publicKey: 'AAAA'}

describe('validator', () => {
  it('returns the value itself', () => {
    expect(createBuild(request)).toBe(request)
  })

  it.each([
    [{...request, architectures: ['sparc']}, "/architectures/0 must be one of 'amd64', 'arm64'"],
    [{...request, architectures: []}, '/architectures must NOT have fewer than 1 items'],
    [{...request, project: undefined}, "must have required property 'project'"],
    [{...request, porject: 'x'}, "must NOT have additional properties 'porject'"],
    [{...request, key: 'short'}, '/key must NOT have fewer than 8 characters'],
    ['text', 'must be object'],
  ])('names the first bad field of %j', (value, complaint) => {
    expect(() => createBuild(value)).toThrow(ProtocolError)
    expect(() => createBuild(value)).toThrow(complaint)
  })

  it('compiles on first use only', () => {
    const check = validator(Type.Object({at: Type.Integer()}))
    expect(check({at: 1})).toEqual({at: 1})
    expect(() => check({at: 1.5})).toThrow('/at must be integer')
  })
})

describe('messageParser', () => {
  it('returns a known message and lets unknown fields through', () => {
    const message = {type: 'drain', reason: 'spot notice', deadlineMs: null, later: true}
    expect(parse(JSON.stringify(message))).toEqual({known: true, message})
  })

  it('returns an unknown type as a value', () => {
    expect(parse('{"type":"teleport","x":1}')).toEqual({known: false, type: 'teleport'})
  })

  it.each([
    ['', 'not JSON'],
    ['{', 'not JSON'],
    ['null', "no 'type'"],
    ['[]', "no 'type'"],
    ['{"type":7}', "no 'type'"],
    ['{"type":"drain"}', "must have required property 'reason'"],
    ['{"type":"drain","reason":7,"deadlineMs":null}', '/reason must be string'],
  ])('refuses %j', (text, complaint) => {
    expect(() => parse(text)).toThrow(ProtocolError)
    expect(() => parse(text)).toThrow(complaint)
  })

  it('answers any text with a value or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          expect(parse(text)).toHaveProperty('known')
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
    )
  })
})
