import {registerHooks} from 'node:module'
import {fileURLToPath} from 'node:url'
import {mutations} from './mutations.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Takes a guard out of the sources as they are loaded from now on. Throws if they no longer read as the mutation says. */
export const mutate = (name: string): void => {
  const mutation = mutations.find((each) => each.name === name)
  if (!mutation) throw new Error(`there is no mutation ${name}: ${mutations.map((each) => each.name).join(', ')}`)
  const {file, from, to} = mutation
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      if (url.split('?')[0] !== `file://${root}${file}`) return loaded
      const source = Buffer.from(loaded.source as Uint8Array).toString()
      if (source.split(from).length !== 2) throw new Error(`${file} no longer holds, just once: ${from}`)
      return {...loaded, source: source.replace(from, () => to)}
    },
  })
}
