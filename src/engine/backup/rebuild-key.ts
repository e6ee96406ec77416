const prefix = 'rebuild:'

/** Projects whose current release has no files that can be run: restored from a backup. */
export const rebuildKey = (project: string) => `${prefix}${project}`

export const rebuildPrefix = prefix

export const projectOfKey = (key: string) => key.slice(prefix.length)
