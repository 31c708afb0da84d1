/** The stopwatch's name for how long the client of a waiting build has not been heard. */
export const clientTimer = (build: string) => `client ${build}`
