import type {Loop, Round} from './crash-loop.ts'

/** As issue and README promise: the next build has its builder within so long. */
const startWithinMs = 10_000

/** `12 buildkitd   killed after 1.2 s  next build began after 0.4 s`. */
export const roundLine = ({round, victim, afterMs, startMs, code, generationsLost}: Round): string => {
  const lost = generationsLost > 0 ? `, ${generationsLost} generation lost` : ''
  const ended = code === 0 ? '' : `, ended with ${code}`
  return `${String(round).padStart(4)} ${victim.padEnd(10)} killed after ${seconds(afterMs)}, next build began after ${seconds(startMs)}${lost}${ended}`
}

/** What was promised and did not hold, a paragraph for each. */
export const faultsOf = ({rounds, left, downCode}: Loop): readonly string[] => [
  ...rounds.filter(({code}) => code !== 0).map((each) => `round ${each.round}: the next build failed\n${each.said}`),
  ...rounds
    .filter(({startMs}) => startMs > startWithinMs)
    .map((each) => `round ${each.round}: the next build began after ${seconds(each.startMs)}\n${each.said}`),
  ...rounds
    .filter(({generationsLost}) => generationsLost > 1)
    .map((each) => `round ${each.round}: ${each.generationsLost} generations were lost\n${each.said}`),
  ...rounds
    .filter(({stepsLost}) => stepsLost > 0)
    .map((each) => `round ${each.round}: ${each.stepsLost} steps were not in its cache\n${each.said}`),
  ...(downCode === 0 ? [] : [`hearth down (or drain) ended with ${downCode}`]),
  ...(left.length === 0 ? [] : [`this is left:\n${left.join('\n')}`]),
]

/** A table, by what was killed. */
export const summary = ({rounds, left}: Loop): string => {
  const rows = [...Map.groupBy(rounds, ({victim}) => victim), ['all', rounds] as const]
  return [
    'killed      rounds  failed  median start  slowest start  lost generations (most in one)',
    ...rows.map(([name, of]) => {
      const starts = of.map(({startMs}) => startMs).sort((a, b) => a - b)
      const lost = of.map(({generationsLost}) => generationsLost)
      return [
        name.padEnd(10),
        String(of.length).padStart(7),
        String(of.filter(({code}) => code !== 0).length).padStart(7),
        seconds(starts[Math.floor(starts.length / 2)] ?? 0).padStart(13),
        seconds(starts.at(-1) ?? 0).padStart(14),
        `${lost.reduce((sum, each) => sum + each, 0)} (${Math.max(0, ...lost)})`.padStart(9),
      ].join(' ')
    }),
    `left on this machine: ${left.length === 0 ? 'nothing' : left.length}`,
  ].join('\n')
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
