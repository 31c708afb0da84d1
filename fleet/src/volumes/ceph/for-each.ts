/** So many at a time: each is some programs, with a connection of its own. */
const atATime = 4

/** Resolves when all are done; rejects with what failed first. */
export const forEach = async <Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> => {
  const waiting = [...items]
  const work = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item)
  }
  await Promise.all(Array.from({length: atATime}, work))
}
