// node scripts/summary.ts REPORT EXIT-STATUS: the one line that ends `make test`, and its exit code.
import {readFileSync} from 'node:fs'
import {type Report, summarize} from './summarize.ts'

const [path = 'build/test/report.json', exitStatus = '0'] = process.argv.slice(2)
const summary = summarize(read(path), Number(exitStatus))
for (const reason of summary.reasons) process.stdout.write(`${reason}\n`)
process.stdout.write(`${summary.line}\n`)
process.exitCode = summary.exitStatus

function read(file: string): Report | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report
  } catch (error) {
    process.stdout.write(`no test report: ${error instanceof Error ? error.message : String(error)}\n`)
    return null
  }
}
