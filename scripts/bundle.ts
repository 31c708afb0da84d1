import {copyFileSync, mkdirSync, renameSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {type BuildOptions, build} from 'esbuild'

// Bundles the programs into build/hearth, with the files that they read beside them. Made whole under another name; the old
// one is put aside and removed last, so that a program that starts meanwhile finds one of them, or bundles by itself.

const root = join(import.meta.dirname, '..')
const target = join(root, 'build', 'hearth')
const made = `${target}.${process.pid}`

/** Paths as `new URL(…, import.meta.url)` in the sources gives them from a chunk in build/hearth/program. */
const assets = [
  ['agent/src/builder/enter.sh', 'builder/enter.sh'],
  ['agent/src/builder/freeze.sh', 'builder/freeze.sh'],
  ['agent/src/builder/runc.sh', 'builder/runc.sh'],
  ['proto/src/buildkit.proto', 'program/buildkit.proto'],
] as const

const common: BuildOptions = {
  absWorkingDir: root,
  outdir: join(made, 'program'),
  bundle: true,
  platform: 'node',
  target: 'node24',
  sourcemap: 'linked',
  logLevel: 'warning',
}

const slow = setTimeout(() => process.stderr.write('bundling Hearth …\n'), 2000)
mkdirSync(join(made, 'builder'), {recursive: true})
mkdirSync(join(made, 'program'))
await Promise.all([
  build({
    ...common,
    entryPoints: {
      hearth: 'fleet/src/cli/main.ts',
      'hearth-fleet': 'fleet/src/main.ts',
      'hearth-agent': 'agent/src/main.ts',
    },
    outExtension: {'.js': '.mjs'},
    splitting: true,
    format: 'esm',
    // CommonJS dependencies call require for Node's own modules
    banner: {
      js: "import {createRequire as __createRequire} from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  }),
  // CommonJS, as `import` reads every export of one of Node's own modules, and some of these load half of Node: 60 ms of CPU for
  // a start that needs 35 (measured, Node 26).
  build({
    ...common,
    entryPoints: {'hearth-build': 'fleet/src/cli/build-main.ts'},
    outExtension: {'.js': '.cjs'},
    format: 'cjs',
    define: {'import.meta.dirname': '__dirname'},
  }),
])
for (const [from, to] of assets) copyFileSync(join(root, from), join(made, to))
const old = `${made}.old`
// Another that bundles at the same time may put its own in place between the two: that one is as good.
unlessCode('ENOENT', () => renameSync(target, old))
unlessCode('ENOTEMPTY', () => renameSync(made, target))
clearTimeout(slow)
for (const left of [made, old]) rmSync(left, {recursive: true, force: true})

function unlessCode(code: string, act: () => void) {
  try {
    act()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === code)) throw error
  }
}
