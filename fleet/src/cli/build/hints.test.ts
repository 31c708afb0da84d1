import {describe, expect, it} from 'vitest'
import {hintFor} from './hints.ts'

describe('hints', () => {
  it.each([
    [
      'failed to push 10.0.0.1:5000/app: failed to do request: Head "https://10.0.0.1:5000/v2/": http: server gave HTTP response to HTTPS client',
      'the registry speaks plain HTTP: push with -o type=image,registry.insecure=true',
    ],
    [
      'failed to push localhost:5000/app: failed to do request: Head "http://localhost:5000/v2/app": dial tcp 127.0.0.1:5000: connect: connection refused',
      'localhost is the builder itself: name the registry by an address of its host',
    ],
    [
      'failed to push r.io:5001/team/app: unexpected status from HEAD request to http://r.io:5001/v2/app: 401 Unauthorized',
      'log in first, as someone who may push: docker login r.io:5001',
    ],
    [
      'failed to push docker.io/team/app: push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
      'log in first, as someone who may push: docker login docker.io',
    ],
    ['process "/bin/sh -c make" did not complete successfully: exit code: 2', null],
    [
      'r.io:5000/team/app: failed to resolve source metadata for r.io:5000/team/app:latest: failed to do request: Head "https://r.io:5000/v2/": http: server gave HTTP response to HTTPS client',
      'r.io:5000 speaks plain HTTP: agent.yaml of the hosts must say so, under registries',
    ],
  ])('%s', (reason, hint) => expect(hintFor(reason)).toBe(hint))
})
