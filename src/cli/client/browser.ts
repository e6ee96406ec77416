import { launch } from './command.ts'

/** Opens an address in the user's browser. False where there is none, or where it is no web address. */
export async function openInBrowser(address: string): Promise<boolean> {
  if (!/^https?:\/\//.test(address)) return false
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
  return launch(opener, [address])
}
