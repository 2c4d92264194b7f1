"""Completion for bash 3.2 and newer, with bash-completion or without."""

from __future__ import annotations

from . import FILES, WORDS, Value, argument_of, takes_value, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..commands import Subcommand

_SCRIPT = r"""# bash completion of secrets-exec; made by: secrets-exec completion bash

_secrets_exec_options() {
    case $1 in
@OPTIONS@
    esac
}

# What the value of an option is: a kind, or words.
_secrets_exec_value() {
    case $1 in
@VALUES@
        *) return 1 ;;
    esac
}

_secrets_exec_argument() {
    case $1 in
@ARGUMENTS@
    esac
}

# The words of the line as they were written: bash has divided them at '=' and ':'.
_secrets_exec_split() {
    local rest=${COMP_LINE:0:COMP_POINT} i word blanks
    words=() at=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blanks=${rest%%[![:blank:]]*}
        rest=${rest#"$blanks"}
        word=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || word=$rest
        if [[ -n $blanks || ${#words[@]} -eq 0 ]]; then
            words+=("$word") at+=("$i")
        else
            words[${#words[@]} - 1]+=$word
        fi
        rest=${rest#"$word"}
    done
}

_secrets_exec_reply() {
    local kind=$1 start=$2 line
    shift 2
    case $kind in
        files)
            compopt -o filenames 2>/dev/null
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$start")
            ;;
        @KINDS@)
            [[ $kind != providers ]] || compopt -o nospace 2>/dev/null
            line=$("$@" completion --words "$kind" "${given[@]+"${given[@]}"}" 2>/dev/null)
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$line" -- "$start")
            ;;
        *)
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$kind" -- "$start")
            ;;
    esac
}

# A command with its own words: as if they stood alone.
_secrets_exec_wrapped() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)); then
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
    else
        _secrets_exec_reply files "${COMP_WORDS[COMP_CWORD]}"
    fi
}

_secrets_exec() {
    local -a words at given
    local command=run word wanted= i cur kind line
    COMPREPLY=()
    given=()
    _secrets_exec_split
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ -n $wanted ]]; then
            case $wanted in -f | --manifest | -P | --profile) given+=("$wanted" "$word") ;; esac
            wanted=
            continue
        fi
        case $word in
            --)
                [[ $command != run ]] || _secrets_exec_wrapped "${at[i + 1]}"
                return
                ;;
            -f?* | -P?* | --manifest=* | --profile=*) given+=("$word") ;;
            -*) ! _secrets_exec_value "$word" >/dev/null || wanted=$word ;;
            *)
                if ((i == 1)) && [[ " @COMMANDS@ " == *" $word "* ]]; then
                    command=$word
                elif [[ $command == run ]]; then
                    _secrets_exec_wrapped "${at[i]}"
                    return
                fi
                ;;
        esac
    done
    cur=${words[i]}
    if [[ -n $wanted ]]; then
        _secrets_exec_reply "$(_secrets_exec_value "$wanted")" "$cur" "${words[0]}"
    elif [[ $cur == --*=* ]]; then
        word=${cur%%=*}
        if kind=$(_secrets_exec_value "$word"); then
            _secrets_exec_reply "$kind" "${cur#*=}" "${words[0]}"
            if [[ $COMP_WORDBREAKS != *=* ]]; then
                for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=$word=${COMPREPLY[i]}; done
            fi
        fi
    elif [[ $cur == -* ]]; then
        _secrets_exec_reply "$(_secrets_exec_options "$command")" "$cur"
    elif ((i == 1)); then
        _secrets_exec_reply "@COMMANDS@ --" "$cur"
    elif [[ $command == run ]]; then
        _secrets_exec_wrapped "${at[i]}"
    else
        _secrets_exec_reply "$(_secrets_exec_argument "$command")" "$cur" "${words[0]}"
    fi
}

complete -F _secrets_exec secrets-exec
"""


def script(commands: Mapping[str, Subcommand]) -> str:
    """The script, with what the tables say in its places."""
    options, arguments = [], []
    values: dict[str, str] = {}
    for name, row in commands.items():
        flags = [flag for option in row.options for flag in option.flags]
        end = ["--"] if row.takes_command else []
        options.append(f"        {name}) echo '{' '.join([*flags, '-h', '--help', *end])}' ;;")
        values |= {"|".join(one.flags): _told(value_of(one)) for one in row.options if takes_value(one)}
        if row.argument:
            arguments.append(f"        {name}) echo '{_told(argument_of(row))}' ;;")
    told = {
        "OPTIONS": "\n".join(options),
        "VALUES": "\n".join(f"        {flags}) echo '{value}' ;;" for flags, value in values.items()),
        "ARGUMENTS": "\n".join(arguments),
        "KINDS": " | ".join(WORDS),
        "COMMANDS": " ".join(commands),
    }
    text = _SCRIPT
    for place, value in told.items():
        text = text.replace(f"@{place}@", value)
    return text


def _told(value: Value) -> str:
    assert value.kind in ("", FILES, *WORDS), "a kind that the script knows"
    return value.kind or " ".join(value.words)
