import {mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type AnyDefinition, loadSync} from '@grpc/proto-loader'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {buildkitProto} from './buildkit.ts'

// What we wrote down of BuildKit's API against the .proto files of the module that images/toolchain pins. gRPC itself would not
// complain: a field with a wrong number or type reads as empty.

/** Where upstream's messages stand; in buildkit.proto they all stand in the first. */
const packages = ['moby.buildkit.v1', 'moby.buildkit.v1.types', 'pb', 'google.rpc', 'google.protobuf']

// https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto: not in BuildKit's module.
const statusProto = `syntax = "proto3";
package google.rpc;
import "google/protobuf/any.proto";
message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }`

const folder = mkdtempSync(join(tmpdir(), 'hearth-proto-'))
afterAll(() => rmSync(folder, {recursive: true}))

let ours: Shape
let upstream: Shape
beforeAll(() => {
  const source = realpathSync(join(import.meta.dirname, '../../build/toolchain/buildkit-source'))
  mkdirSync(join(folder, 'github.com/moby'), {recursive: true})
  symlinkSync(source, join(folder, 'github.com/moby/buildkit'))
  mkdirSync(join(folder, 'google/rpc'), {recursive: true})
  writeFileSync(join(folder, 'google/rpc/status.proto'), statusProto)
  upstream = shapeOf('github.com/moby/buildkit/api/services/control/control.proto')
  ours = shapeOf(buildkitProto)
})

describe('buildkit.proto', () => {
  it('has the names, numbers, types and streams of the pinned BuildKit', () => {
    expect(ours.get('UsageRecord.Size')).toBe('LABEL_OPTIONAL TYPE_INT64 = 4')
    expect(ours.get('WorkerRecord.Labels.value')).toBe('LABEL_OPTIONAL TYPE_STRING = 2')
    expect(ours.get('BuildHistoryEventType')).toBe('STARTED = 0, COMPLETE = 1, DELETED = 2')
    expect(ours.get('Control.Prune')).toBe('/moby.buildkit.v1.Control/Prune(PruneRequest) returns (stream UsageRecord)')
    expect(differences(ours)).toEqual([])
  })

  it.each([
    ['a number', 'int64 Size = 4;', 'int64 Size = 5;', 'UsageRecord.Size'],
    ['a field name', 'numCachedSteps = 15', 'numCached = 15', 'BuildHistoryRecord.numCached'],
    ['a scalar type', 'int32 numTotalSteps', 'int64 numTotalSteps', 'BuildHistoryRecord.numTotalSteps'],
    ['a message type', 'Status error = 5', 'Descriptor error = 5', 'BuildHistoryRecord.error'],
    ['a label', 'repeated Vertex vertexes', 'Vertex vertexes', 'StatusResponse.vertexes'],
    ['a map', 'map<string, string> Labels', 'map<string, bytes> Labels', 'WorkerRecord.Labels.value'],
    ['an enum value', 'COMPLETE = 1;', 'DONE = 1;', 'BuildHistoryEventType'],
    ['an enum that is not whole', 'DELETED = 2;', '', 'BuildHistoryEventType'],
    ['a message of another package', 'string Variant = 3', 'string Variant = 4', 'Platform.Variant'],
    ["a field of Google's Status", 'int32 code = 1', 'int32 code = 3', 'Status.code'],
    ['a message name', 'InfoRequest', 'UsageRequest', 'UsageRequest'],
    ['a method name', 'rpc Info(', 'rpc About(', 'Control.About'],
    ["a method's answer", 'returns (stream UsageRecord)', 'returns (UsageRecord)', 'Control.Prune'],
    ["a method's request", 'rpc Status(StatusRequest)', 'rpc Status(stream StatusRequest)', 'Control.Status'],
    ['the package', 'package moby.buildkit.v1;', 'package moby.buildkit.v2;', 'Control.Prune'],
  ])('is found out if it is wrong in %s', (_what, before, after, where) => {
    const text = readFileSync(buildkitProto, 'utf8')
    expect(text).toContain(before)
    writeFileSync(join(folder, 'wrong.proto'), text.replaceAll(before, after))
    expect(differences(shapeOf('wrong.proto')).map(([name]) => name)).toContain(where)
  })
})

type Shape = ReadonlyMap<string, string>
type Field = {name: string; number: number; label: string; type: string; typeName: string}
type Message = {name: string; field: readonly Field[]; nestedType: readonly Message[]}
type Enumeration = {name: string; value: readonly {name: string; number: number}[]}

const differences = (shape: Shape) =>
  [...shape]
    .filter(([name, text]) => upstream.get(name) !== text)
    .map(([name, text]) => [name, text, upstream.get(name)])

/** All that a file and its imports define: a line for each message, field, enum and method, by names without their package. */
function shapeOf(file: string): Shape {
  const shape = new Map<string, string>()
  const definitions = Object.entries(loadSync(file, {keepCase: true, includeDirs: [folder]}))
  const rank = (name: string) => packages.indexOf(name.slice(0, name.lastIndexOf('.'))) + 1 || Number.POSITIVE_INFINITY
  for (const [name, definition] of definitions.toSorted(([a], [b]) => rank(a) - rank(b))) {
    for (const [key, line] of linesOf(lastWord(name), definition)) if (!shape.has(key)) shape.set(key, line)
  }
  return shape
}

const lastWord = (name: string) => name.slice(name.lastIndexOf('.') + 1)

function linesOf(name: string, definition: AnyDefinition): readonly (readonly [string, string])[] {
  if (definition.format === 'Protocol Buffer 3 DescriptorProto') return messageLines(name, definition.type as Message)
  if (definition.format === 'Protocol Buffer 3 EnumDescriptorProto') {
    const {value} = definition.type as Enumeration
    return [[name, value.map((each) => `${each.name} = ${each.number}`).join(', ')]]
  }
  return Object.entries(definition).map(
    ([method, {path, requestStream, requestType, responseStream, responseType}]) => {
      const request = `${requestStream ? 'stream ' : ''}${(requestType.type as Message).name}`
      const response = `${responseStream ? 'stream ' : ''}${(responseType.type as Message).name}`
      return [`${name}.${method}`, `${path}(${request}) returns (${response})`]
    },
  )
}

function messageLines(name: string, message: Message): readonly (readonly [string, string])[] {
  return [
    [name, 'message'],
    ...message.field.map((field): [string, string] => {
      const type = field.typeName ? `${field.type} ${lastWord(field.typeName)}` : field.type
      return [`${name}.${field.name}`, `${field.label} ${type} = ${field.number}`]
    }),
    ...message.nestedType.flatMap((nested) => messageLines(`${name}.${nested.name}`, nested)),
  ]
}
