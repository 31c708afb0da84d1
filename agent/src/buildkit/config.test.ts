import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {renderDaemonConfig, renderMounts} from './config.ts'

describe('renderDaemonConfig', () => {
  const config = renderDaemonConfig({
    runc: '/opt/a "quoted" place/runc.sh',
    platforms: ['linux/amd64'],
    cgroupParent: '/hearth/b-1/steps',
    registries: {
      'r.example:5000': {http: true, insecure: false},
      'docker.io': {mirrors: ['m.example'], ca: ['/a "b".pem']},
    },
  })

  it('collects no garbage by itself, probes nothing, and keeps steps in the group of the builder', () => {
    const lines = config.split('\n')
    for (const line of ['gc = false', 'networkMode = "host"', 'defaultCgroupParent = "/hearth/b-1/steps"'])
      expect(lines).toContain(line)
    expect(lines.filter((line) => line === 'platforms = ["linux/amd64"]')).toHaveLength(2)
  })

  it('says what is special about registries', () => {
    const registries = config.slice(config.indexOf('[registry'))
    expect(registries.trim().split('\n')).toEqual([
      '[registry."r.example:5000"]',
      'http = true',
      'insecure = false',
      '[registry."docker.io"]',
      'ca = ["/a \\"b\\".pem"]',
      'mirrors = ["m.example"]',
    ])
  })

  it('quotes what stands in a path', () => {
    expect(config).toContain('binary = "/opt/a \\"quoted\\" place/runc.sh"')
  })
})

describe('renderMounts', () => {
  it('makes a root, with what is kept, and mounts the volume last', () => {
    const kept = [
      {path: '/home', recursive: false},
      {path: '/sys', recursive: true},
    ]
    const lines = renderMounts('/state/run/b-1', '/dev/loop7', kept).trim().split('\n')
    expect(lines.slice(0, 3)).toEqual([
      '/ /state/run/b-1/root none bind,X-mount.mkdir 0 0',
      '/home /state/run/b-1/root/home none bind,nofail 0 0',
      '/sys /state/run/b-1/root/sys none rbind,nofail 0 0',
    ])
    expect(lines.at(-1)).toMatch(/^\/dev\/loop7 \/state\/run\/b-1\/root\/run\/cache xfs /)
  })

  it('keeps six fields in each line, whatever the paths are', () => {
    fc.assert(
      fc.property(fc.string({minLength: 1}), (name) => {
        const kept = [{path: `/${name}`, recursive: true}]
        for (const line of renderMounts(`/${name}`, '/dev/loop7', kept).trimEnd().split('\n'))
          expect(line.split(/[ \t]+/)).toHaveLength(6)
      }),
    )
  })
})
