/** An answer whose body nobody will read: what it comes from (a file, a log that is followed) is closed. */
export async function letGo(answer: Response): Promise<void> {
  await answer.body?.cancel().catch(() => {})
}
