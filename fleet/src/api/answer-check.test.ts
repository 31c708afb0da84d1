import {Host, Status} from '@hearth/proto/api'
import {answerExamples} from '@hearth/proto/examples'
import {describe, expect, it} from 'vitest'
import {answerCheck, type OpenApi} from './answer-check.ts'

const answers = (schema: object) => ({'200': {content: {'application/json': {schema}}}, '204': {}, '4XX': {}})
const document = {
  paths: {
    '/v1/hosts/{id}': {get: {responses: answers(Host)}, delete: {responses: answers(Host)}},
    '/v1/projects/{project}': {get: {responses: answers({})}},
    '/v1/status': {get: {responses: answers(Status)}},
  },
} as unknown as OpenApi
const check = answerCheck(document)
const host = answerExamples.Host
const seen = (body: unknown, more: object = {}) => ({
  ...{method: 'GET', path: '/v1/hosts/h-1', status: 200, type: 'application/json; charset=utf-8'},
  text: JSON.stringify(body),
  ...more,
})

describe('answerCheck', () => {
  it('lets through what is documented', () => {
    check(seen(host))
    check(seen({...host, drain: null}, {path: '/v1/hosts/h-1?x=1'}))
    check(seen(answerExamples.Status, {path: '/v1/status'}))
    check(seen({}, {path: '/v1/projects/acme/web'}))
    check(seen({}, {method: 'DELETE', status: 204, type: '', text: ''}))
    check(seen({}, {path: '/v1/nonsense', status: 404}))
  })

  it.each([
    ['a missing field', seen({...host, slots: undefined}), "required property 'slots'"],
    ['a wrong field', seen({...host, cpus: '8'}), '/cpus must be integer'],
    ['a field that is not documented', seen({...host, later: 1}), "'later'"],
    ['one deep inside', seen({...host, drain: {...host.drain, later: 1}}), '/drain'],
    [
      'one of an intersection',
      seen({...answerExamples.Status, capacity: [{later: 1}]}, {path: '/v1/status'}),
      '/capacity/0',
    ],
    ['an unknown status', seen(host, {status: 202}), '202'],
    ['an unknown content type', seen(host, {type: 'text/html'}), 'text/html'],
    ['a body where there is none', seen(host, {method: 'DELETE', status: 204}), 'no body'],
    ['an unknown route', seen(host, {path: '/v1/nonsense'}), 'no such route'],
    ['an unknown method', seen(host, {method: 'PUT'}), 'no such route'],
  ])('throws for %s', (_what, answer, complaint) => {
    expect(() => check(answer)).toThrow(complaint)
  })
})
