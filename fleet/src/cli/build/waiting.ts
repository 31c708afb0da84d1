import type {Build} from '@hearth/proto/api'
import type {Printer} from '../printer.ts'
import {waitingLine, waitingText, waitingUpdate} from './messages.ts'

/** Says why a build waits: on a terminal in one line that counts, elsewhere in a new line for each new reason. */
export const waitingNews = (print: Printer, quiet: boolean): {build(build: Build): void; end(): void} => {
  let current: ReturnType<typeof waitingText> = null
  let said = ''
  let timer: NodeJS.Timeout | null = null
  const draw = () => {
    if (current) print.update(waitingUpdate(current, Date.now()))
  }
  const end = () => {
    if (timer) clearInterval(timer)
    timer = null
    print.clearUpdate()
  }
  return {
    end,
    build(build) {
      current = quiet ? null : waitingText(build)
      if (!current) return end()
      if (print.terminal) {
        timer ??= setInterval(draw, 1000)
        return draw()
      }
      if (said !== current.why) print.note(waitingLine(current))
      said = current.why
    },
  }
}
