"""Completion for zsh: a function for compinit, which can be evaluated as well."""

from __future__ import annotations

from ..options import COUNT, MANY
from . import FILES, Value, about, argument_of, takes_value, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..commands import Subcommand
    from ..options import Option

_SCRIPT = r"""#compdef secrets-exec
# zsh completion of secrets-exec; made by: secrets-exec completion zsh

# Names of the manifest that the line names, or of the one in this folder.
_secrets_exec_words() {
  local kind=$1 i
  local -a given found
  shift
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
      (-f|--manifest|-P|--profile) given+=($words[i] "${(Q)words[i+1]}"); ((i++)) ;;
      (-f?*|--manifest=*|-P?*|--profile=*) given+=("${(Q)words[i]}") ;;
    esac
  done
  found=(${(f)"$(${(Q)words[1]} completion --words $kind $given 2>/dev/null)"})
  compadd "$@" -a found
}

_secrets_exec() {
  local curcontext=$curcontext command=run
  local -a ours
  ours=(
@COMMANDS@
  )
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe -t commands 'command of secrets-exec' ours
    return
  fi
  if ((CURRENT > 2 && ${ours[(I)${(b)words[2]}:*]})); then
    command=$words[2]
    words[2]=()
    ((CURRENT--))
  fi
  case $command in
@CASES@
  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _secrets_exec "$@"
else
  compdef _secrets_exec secrets-exec
fi
"""


def script(commands: Mapping[str, Subcommand]) -> str:
    """The script, with what the tables say in its places."""
    described = "\n".join(f"    {_quoted(f'{name}:{_escaped(about(row))}')}" for name, row in commands.items())
    cases = "\n".join(_case(name, row) for name, row in commands.items())
    return _SCRIPT.replace("@COMMANDS@", described).replace("@CASES@", cases)


def _case(name: str, row: Subcommand) -> str:
    specs = [spec for option in row.options for spec in _specs(option)]
    specs += ["(- *)-h[Show this help.]", "(- *)--help[Show this help.]"]
    if row.takes_command:
        specs += ["(-)1:command: _command_names -e", "*::arguments: _normal"]
    elif row.argument:
        specs.append(f"1:{row.argument}:{_action(argument_of(row))}")
    lines = " \\\n".join(f"        {_quoted(spec)}" for spec in specs)
    return f"    ({name})\n      _arguments -s -S : \\\n{lines}\n      ;;"


def _specs(option: Option) -> Iterator[str]:
    """What `_arguments` is told of each way to write an option."""
    again = "*" if option.takes in (MANY, COUNT) else f"({' '.join(option.flags)})"
    for flag in option.flags:
        spec = f"{again}{flag}"
        if not takes_value(option):
            yield f"{spec}[{_escaped(option.help)}]"
            continue
        joined = "=" if flag.startswith("--") else "+"
        yield f"{spec}{joined}[{_escaped(option.help)}]:{option.metavar}:{_action(value_of(option))}"


def _action(value: Value) -> str:
    if value.kind == FILES:
        return "_files"
    if value.kind:
        space = " -S ''" if value.kind == "providers" else ""
        return f"{{_secrets_exec_words {value.kind}{space}}}"
    return f"({' '.join(value.words)})" if value.words else " "


def _escaped(text: str) -> str:
    for character in "\\:[]":
        text = text.replace(character, f"\\{character}")
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
