import { usage } from '../client/failure.ts'
import type { Cli } from '../client/session.ts'

/** `nodepilot completion bash`: a script that asks `complete-words` for every Tab. */
export async function completion(cli: Cli, shell: string): Promise<void> {
  const script = scripts[shell]
  if (script === undefined) throw usage(`${shell} is not bash, zsh or fish`, 'nodepilot completion bash')
  cli.out.raw(script)
}

const scripts: Readonly<Record<string, string>> = {
  bash: `# bash completion of nodepilot: source this, or put it into ~/.local/share/bash-completion/completions/nodepilot
_nodepilot() {
  local IFS=$'\\n'
  COMPREPLY=($(nodepilot complete-words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _nodepilot nodepilot
`,
  zsh: `#compdef nodepilot
# zsh completion of nodepilot: put this as _nodepilot into a folder of $fpath, or source it after compinit
_nodepilot() {
  local -a found
  found=("\${(@f)$(nodepilot complete-words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then
    compadd -- "\${found[@]}"
  else
    _files
  fi
}
if [[ "\${funcstack[1]}" == "_nodepilot" ]]; then
  _nodepilot "$@"
else
  compdef _nodepilot nodepilot
fi
`,
  fish: `# fish completion of nodepilot: put this into ~/.config/fish/completions/nodepilot.fish
function __nodepilot_words
  set -l words (commandline -opc) (commandline -ct)
  nodepilot complete-words -- $words[2..-1] 2>/dev/null
end
complete -c nodepilot -a '(__nodepilot_words)'
`,
}
