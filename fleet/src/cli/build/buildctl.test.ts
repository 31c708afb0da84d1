import {mkdtempSync, readFileSync, rmSync, statSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {InfrastructureError} from '../failures.ts'
import {connectionArguments, solveArguments} from './buildctl.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hearth-buildctl-'))
})
afterAll(() => rmSync(directory, {recursive: true}))

it('says all of a solve in flags', () => {
  const solve = {
    options: {target: 'x', 'build-arg:A': '1=2'},
    locals: {context: '/src', dockerfile: '/src'},
    layouts: {'layout-0': '/oci'},
    exports: ['type=local,dest=out'],
    secrets: ['id=a,src=b'],
    ssh: ['default'],
    progress: 'plain',
    metadataFile: '/m',
  }
  expect(solveArguments(solve)).toEqual([
    'build',
    '--frontend=dockerfile.v0',
    '--progress=plain',
    '--local=context=/src',
    '--local=dockerfile=/src',
    '--oci-layout=layout-0=/oci',
    '--opt=target=x',
    '--opt=build-arg:A=1=2',
    '--output=type=local,dest=out',
    '--secret=id=a,src=b',
    '--ssh=default',
    '--metadata-file=/m',
  ])
})

it('keeps key and certificates for its own eyes', () => {
  const endpoints = [{kind: 'tcp', address: 'fd00::1', port: 4000}]
  const args = connectionArguments({endpoints, caPem: 'CA', certificatePem: 'CERT'}, 'KEY', directory)
  expect(args).toEqual([
    '--addr=tcp://[fd00::1]:4000',
    `--tlscacert=${directory}/ca.pem`,
    `--tlscert=${directory}/cert.pem`,
    `--tlskey=${directory}/key.pem`,
    '--tlsservername=fd00::1',
  ])
  expect(readFileSync(join(directory, 'key.pem'), 'utf8')).toBe('KEY')
  expect(statSync(join(directory, 'key.pem')).mode & 0o777).toBe(0o600)
})

it('names the ways to a builder that it does not know', () => {
  const connection = {endpoints: [{kind: 'relay'}], caPem: '', certificatePem: ''}
  expect(() => connectionArguments(connection, '', directory)).toThrow(InfrastructureError)
  expect(() => connectionArguments(connection, '', directory)).toThrow('relay')
})
