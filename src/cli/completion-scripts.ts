/**
 * What a shell runs when Tab is pressed: `espalier complete <shell>`, which writes what may stand at the cursor. It ends
 * with FILES where the shell is to complete names of files, which it does better than anybody else.
 */
import type { Suggestion } from './suggestions.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Exit code of `complete`: the shell's own files, please. */
export const FILES = 10;

/** `argv`: how this program is run, so that it is found without a PATH, and through an alias of another name. */
export function completionScript(shell: Shell, argv: readonly string[]): string {
  return { bash, zsh, fish }[shell](argv.map(shell === 'fish' ? fishQuoted : quoted).join(' '));
}

const bash = (run: string): string => `# espalier's completion for bash: source <(espalier completion bash)
_espalier() {
  local reply line code
  reply=$(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" ${run} complete bash 2>/dev/null)
  code=$?
  COMPREPLY=()
  if [ "$code" -eq ${FILES} ]; then
    compopt -o filenames 2>/dev/null
    reply=$(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
  fi
  while IFS= read -r line; do
    if [ -n "$line" ]; then COMPREPLY+=("$line"); fi
  done <<< "$reply"
}
complete -F _espalier espalier`;

const zsh = (run: string): string => `#compdef espalier
# espalier's completion for zsh, after compinit: source <(espalier completion zsh)
_espalier() {
  local reply
  local -a found
  reply="$(${run} complete zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)"
  if (( $? == ${FILES} )); then
    _files
  elif [[ -n "$reply" ]]; then
    found=("\${(@f)reply}")
    _describe -t values value found
  fi
}
if [ "\${funcstack[1]}" = "_espalier" ]; then _espalier "$@"; else compdef _espalier espalier; fi`;

const fish = (run: string): string => `# espalier's completion for fish: espalier completion fish | source
function __espalier_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  set -l found (${run} complete fish -- $before[2..-1] "$current" 2>/dev/null)
  if test $status -eq ${FILES}
    __fish_complete_path "$current"
  else
    printf '%s\\n' $found
  end
end
complete -c espalier -f -a '(__espalier_complete)'`;

/** As each shell reads it. `current`: the word at the cursor, `breaks`: the characters at which bash splits words. */
export function suggestionLines(
  shell: Shell,
  suggestions: readonly Suggestion[],
  current: string,
  breaks = '',
): string[] {
  if (shell === 'zsh')
    return suggestions.map(({ value, description }) => `${value.replaceAll(':', '\\:')}:${description}`);
  if (shell === 'fish') return suggestions.map(({ value, description }) => `${value}\t${description}`);
  // Bash replaces only what stands behind the last of its word breaks, ':' and '=' among them.
  const kept = Math.max(-1, ...breaks.split('').map((char) => current.lastIndexOf(char))) + 1;
  return suggestions.map(({ value }) => value.slice(kept));
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
}
