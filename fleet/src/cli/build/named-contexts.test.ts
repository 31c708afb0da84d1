import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {resolveNamedContexts} from './named-contexts.ts'

const digest = (letter: string) => `sha256:${letter.repeat(64)}`
const manifest = (letter: string, tag?: string) => ({
  digest: digest(letter),
  ...(tag ? {annotations: {'org.opencontainers.image.ref.name': tag}} : {}),
})

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-contexts-'))
  const layout = (name: string, manifests: readonly unknown[]) => {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, 'index.json'), JSON.stringify({manifests}))
  }
  layout('one', [manifest('a')])
  layout('two', [manifest('b', '12'), manifest('c', 'docker.io/library/debian:latest')])
})
afterAll(() => rmSync(directory, {recursive: true}))

const resolve = (...values: readonly string[]) => resolveNamedContexts(values, directory)

describe('resolveNamedContexts', () => {
  it('sends directories', () => {
    expect(resolve('src=one')).toEqual({
      locals: {'named-0': join(directory, 'one')},
      layouts: {},
      options: {'context:src': 'local:named-0'},
    })
  })

  it.each([
    ['alpine=docker-image://mirror/alpine:3', {'context:alpine': 'docker-image://mirror/alpine:3'}],
    ['docker.io/library/alpine:latest=docker-image://x', {'context:alpine': 'docker-image://x'}],
    ['acme/base=https://host/x.git#main', {'context:acme/base': 'https://host/x.git#main'}],
    ['src=git@host:x.git', {'context:src': 'git@host:x.git'}],
  ])('passes %s on', (value, options) => {
    expect(resolve(value)).toEqual({locals: {}, layouts: {}, options})
  })

  it.each([
    ['one', digest('a')],
    ['two', digest('c')],
    ['two:12', digest('b')],
    [`two@${digest('b')}`, digest('b')],
  ])('finds the image of oci-layout://%s', (where, found) => {
    const {layouts, options} = resolve(`base=oci-layout://${where}`)
    expect(layouts).toEqual({'layout-0': join(directory, where.replace(/[:@].*/, ''))})
    expect(options).toEqual({'context:base': `oci-layout://layout-0@${found}`})
  })

  it.each([
    ['nothing', '--build-context nothing is not name=where'],
    ['a=', '--build-context a= is not name=where'],
    ['a=missing', '--build-context: missing is not a directory'],
    ['a=oci-image://x', 'there is no oci-image://; there are docker-image://'],
    ['a=oci-layout://missing', 'is not an OCI layout'],
    ['a=oci-layout://two:13', "no image '13' in"],
  ])('refuses %s', (value, message) => {
    expect(() => resolve(value)).toThrow(message)
  })
})
