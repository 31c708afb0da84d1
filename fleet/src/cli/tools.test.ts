import {chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {InfrastructureError} from './failures.ts'
import {findTool} from './tools.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hearth-tools-'))
})
afterEach(() => rmSync(root, {recursive: true}))
const program = (path: string, mode = 0o755) => {
  const full = join(root, path)
  mkdirSync(dirname(full), {recursive: true})
  writeFileSync(full, '')
  chmodSync(full, mode)
  return full
}
const sources = () => join(root, 'fleet/src/cli')

it('prefers the variable, then what set-up made, then PATH', () => {
  const named = program('mine/buildctl')
  const setUp = program('build/toolchain/bin/buildctl')
  const searched = program('bin/buildctl')
  const environment = {PATH: `/nowhere:${join(root, 'bin')}`}
  expect(findTool('buildctl', {...environment, HEARTH_BUILDCTL: named}, sources())).toBe(named)
  expect(findTool('buildctl', environment, sources())).toBe(setUp)
  expect(findTool('buildctl', environment, join(root, 'build/hearth/program'))).toBe(setUp)
  rmSync(setUp)
  expect(findTool('buildctl', environment, sources())).toBe(searched)
})

it('says what to do where there is none', () => {
  program('bin/buildctl', 0o644)
  expect(() => findTool('buildctl', {PATH: join(root, 'bin')}, sources())).toThrow(InfrastructureError)
  expect(() => findTool('buildctl', {}, sources())).toThrow('buildctl is not here: run make setup')
  expect(() => findTool('buildctl', {HEARTH_BUILDCTL: '/nope'}, sources())).toThrow(
    'HEARTH_BUILDCTL is /nope, which is not a program',
  )
})
