/**
 * A generator whose every step is made inside of something that has to be entered: an asynchronous context, which
 * `enterWith` inside of the generator would leak to its consumer.
 */
export async function* entered<Event, Result>(
  enter: <T>(step: () => T) => T,
  make: () => AsyncGenerator<Event, Result, undefined>,
): AsyncGenerator<Event, Result, undefined> {
  const events = enter(make)
  let isOver = false
  const taken = async (step: () => Promise<IteratorResult<Event, Result>>): Promise<IteratorResult<Event, Result>> => {
    try {
      return await enter(step)
    } catch (error) {
      isOver = true
      throw error
    }
  }
  try {
    let next = await taken(() => events.next())
    while (!next.done) {
      try {
        yield next.value
      } catch (error) {
        next = await taken(() => events.throw(error))
        continue
      }
      next = await taken(() => events.next())
    }
    isOver = true
    return next.value
  } finally {
    if (!isOver) await enter(() => events.return(undefined as never))
  }
}
