export const shells = ["bash", "zsh"] as const;
export type Shell = (typeof shells)[number];

/** What a shell reads to complete the words of `watershed`. Which words there are is asked anew each time, so that nodes, targets and countries are those of
 * the stack that is up.
 * @param program whole path of the launcher */
export function completionScript(shell: Shell, program: string): string {
  const quoted = `'${program.replaceAll("'", String.raw`'\''`)}'`;
  return shell === "bash" ? bash(quoted) : zsh(quoted);
}

// In bash a colon parts words: names such as 127.0.0.1:80 are put together again.
const bash = (program: string): string => `# watershed completion bash >> ~/.bashrc
_watershed() {
  local line=\${COMP_LINE:0:COMP_POINT} words begun
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  begun=\${words[\${#words[@]}-1]}
  mapfile -t COMPREPLY < <(${program} completion words -- "\${words[@]:1}" 2>/dev/null)
  if [[ $begun == *:* && $COMP_WORDBREAKS == *:* ]]; then
    local i head=\${begun%"\${begun##*:}"}
    for i in "\${!COMPREPLY[@]}"; do COMPREPLY[i]=\${COMPREPLY[i]#"$head"}; done
  fi
}
complete -o default -F _watershed watershed ./watershed
`;

const zsh = (program: string): string => `#compdef watershed
# watershed completion zsh >> ~/.zshrc, below compinit
_watershed() {
  local -a found
  found=("\${(@f)$(${program} completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=("\${(@)found:#}")
  if (( \${#found} )); then compadd -- "\${found[@]}"; else _files; fi
}
compdef _watershed watershed ./watershed
`;
