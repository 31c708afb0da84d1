import {mkdir, open, rm, stat, statfs} from 'node:fs/promises'
import {join} from 'node:path'
import {run} from '@hearth/agent/host/run'
import {openJournal} from '@hearth/agent/store/journal'
import type {CopyId, Epoch} from '@hearth/proto/ids'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {unprivileged} from '../support/privileged.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'

// An agent's journal on a small file system of its own, which is filled up from outside.

describe.skipIf(unprivileged())('a journal whose disk is full', () => {
  let directory: TestDirectory
  let small: string
  beforeEach(async () => {
    directory = await makeTestDirectory()
    small = join(directory.path, 'small')
    await mkdir(small)
    await run(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', small], AbortSignal.timeout(20_000))
  })
  afterEach(() => directory.remove())

  const path = () => join(small, 'agent.db')
  const filling = () => join(small, 'filling')
  const fill = async () => {
    const file = await open(filling(), 'a')
    const {bavail, bsize} = await statfs(small)
    await file.write(Buffer.alloc(bavail * bsize))
    await file.close()
    expect((await statfs(small)).bavail).toBe(0)
  }

  it('still notes thousands of acts, in room that it took ahead', async () => {
    const journal = openJournal(path())
    await fill()
    for (let epoch = 1; epoch <= 5_000; epoch++) {
      const copy = `copy-${epoch % 50}` as CopyId
      expect(journal.claimEpoch(copy, epoch as Epoch, `a builder with a rather long name ${epoch}`)).toBe(true)
      if (epoch % 10 === 0) journal.setFact(`fact ${epoch % 100}`, 'x'.repeat(5_000))
    }
    expect(journal.fact('fact 0')).toHaveLength(5_000)
    journal.close()
    const again = openJournal(path()) // in the room that its log had
    expect(again.claimEpoch('copy-0' as CopyId, 1 as Epoch, 'someone older')).toBe(false)
    again.close()
  })

  it('is opened where there is no room at all, and takes it once there is', async () => {
    openJournal(path()).close()
    await fill()
    const journal = openJournal(path())
    await rm(filling())
    journal.setFact('some', 'thing')
    journal.close()
    const before = (await stat(path())).size
    for (let life = 0; life < 3; life++) openJournal(path()).close()
    expect((await stat(path())).size).toBe(before) // the same room is taken again, never more
  })
})
