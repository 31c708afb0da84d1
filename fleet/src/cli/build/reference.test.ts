import {describe, expect, it} from 'vitest'
import {parseReference} from './reference.ts'

describe('parseReference', () => {
  it.each([
    ['web', 'docker.io', 'library/web', null],
    ['web:1.2', 'docker.io', 'library/web', '1.2'],
    ['acme/web', 'docker.io', 'acme/web', null],
    ['localhost/web', 'localhost', 'web', null],
    ['localhost:5000/acme/web:x', 'localhost:5000', 'acme/web', 'x'],
    ['ghcr.io/acme/web', 'ghcr.io', 'acme/web', null],
  ])('reads %s', (text, registry, repository, tag) => {
    expect(parseReference(text, '--tag')).toEqual({registry, repository, tag})
  })

  it.each([
    ['Web', '--tag Web is not the name of an image: names are in lower case: web'],
    ['web:', '--tag web: is not the name of an image'],
    ['a//b', '--tag a//b is not the name of an image'],
    ['', '--tag  is not the name of an image'],
    ['web:a b', '--tag web:a b is not the name of an image'],
  ])('refuses %j', (text, message) => {
    expect(() => parseReference(text, '--tag')).toThrow(message)
  })
})
