import {registerHooks} from 'node:module'
import {fileURLToPath} from 'node:url'
import {type Edit, mutations} from './mutations.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Takes a guard out of the sources as they are loaded from now on. Throws if they no longer read as the mutation says. */
export const mutate = (name: string): void => {
  const mutation = mutations.find((each) => each.name === name)
  if (!mutation) throw new Error(`there is no mutation ${name}: ${mutations.map((each) => each.name).join(', ')}`)
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      const edits = mutation.edits.filter(({file}) => url.split('?')[0] === `file://${root}${file}`)
      if (edits.length === 0) return loaded
      return {...loaded, source: edits.reduce(apply, Buffer.from(loaded.source as Uint8Array).toString())}
    },
  })
}

const apply = (source: string, {file, from, to}: Edit): string => {
  if (source.split(from).length !== 2) throw new Error(`${file} no longer holds, just once: ${from}`)
  return source.replace(from, () => to)
}
