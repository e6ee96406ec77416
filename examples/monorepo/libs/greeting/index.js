export const greeting = (release) => `Hello from a workspace, ${release}`
