"""Completion for fish 3 and newer."""

from __future__ import annotations

from . import FILES, about, argument_of, takes_value, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..commands import Subcommand
    from ..options import Option
    from . import Value

_SCRIPT = r"""# fish completion of secrets-exec; made by: secrets-exec completion fish

# Where the cursor is: 'start', the name of a command, or the number of the token that begins the wrapped command.
function __secrets_exec_place
    set -l tokens (commandline -opc)
    set -l command start
    set -l skips 0
    for i in (seq 2 (count $tokens))
        if test $skips = 1
            set skips 0
            continue
        end
        switch $tokens[$i]
            case --
                if contains $command start run
                    math $i + 1
                else
                    echo end
                end
                return
            case @VALUES@
                set skips 1
                test $command = start; and set command run
            case '-*'
                test $command = start; and set command run
            case @COMMANDS@
                if test $i = 2
                    set command $tokens[$i]
                else if test $command = run
                    echo $i
                    return
                end
            case '*'
                if contains $command start run
                    echo $i
                    return
                end
        end
    end
    echo $command
end

# Whether the cursor is in one of these commands; what is not said yet may become run.
function __secrets_exec_in
    contains (__secrets_exec_place) $argv
end

function __secrets_exec_wraps
    string match -qr '^\d+$' -- (__secrets_exec_place)
end

function __secrets_exec_wrapped
    set -l first (__secrets_exec_place)
    set -l tokens (string escape -- (commandline -opc)) (commandline -ct)
    complete -C (string join ' ' -- $tokens[$first..-1])
end

# Names of the manifest that the line names, or of the one in this folder.
function __secrets_exec_words
    set -l tokens (commandline -opc)
    set -l given
    set -l last ''
    for token in $tokens[2..-1]
        if contains -- "$last" -f --manifest -P --profile
            set -a given $last $token
            set last ''
            continue
        end
        switch $token
            case '-f?*' '-P?*' '--manifest=*' '--profile=*'
                set -a given $token
        end
        set last $token
    end
    $tokens[1] completion --words $argv[1] $given 2>/dev/null
end

complete -c secrets-exec -e
complete -c secrets-exec -f
complete -c secrets-exec -n __secrets_exec_wraps -x -a '(__secrets_exec_wrapped)'
complete -c secrets-exec -n '__secrets_exec_in run' -x -a '(__fish_complete_command)'
"""


def script(commands: Mapping[str, Subcommand]) -> str:
    """The script, with what the tables say in its places."""
    values = {flag for row in commands.values() for one in row.options if takes_value(one) for flag in one.flags}
    text = _SCRIPT.replace("@VALUES@", " ".join(sorted(values))).replace("@COMMANDS@", " ".join(commands))
    return "\n".join([text.rstrip("\n"), *_commands(commands), *_options(commands), *_arguments(commands), ""])


def _commands(commands: Mapping[str, Subcommand]) -> Iterator[str]:
    for name, row in commands.items():
        yield f"complete -c secrets-exec -n '__secrets_exec_in start' -a {name} -d {_quoted(about(row))}"


def _options(commands: Mapping[str, Subcommand]) -> Iterator[str]:
    """Each option once, with the commands that have it; where help differs, it is another one."""
    of: dict[Option, list[str]] = {}
    for name, row in commands.items():
        for option in row.options:
            of.setdefault(option, []).extend(["start", "run"] if name == "run" else [name])
    for option, names in of.items():
        short = f" -s {option.short[1:]}" if option.short else ""
        said = f" -d {_quoted(option.help)}{_value(value_of(option)) if takes_value(option) else ''}"
        yield f"complete -c secrets-exec -n '__secrets_exec_in {' '.join(names)}' -l {option.name}{short}{said}"
    everywhere = " ".join(["start", *commands])
    yield f"complete -c secrets-exec -n '__secrets_exec_in {everywhere}' -l help -s h -d 'Show this help.'"


def _arguments(commands: Mapping[str, Subcommand]) -> Iterator[str]:
    for name, row in commands.items():
        if row.argument:
            yield f"complete -c secrets-exec -n '__secrets_exec_in {name}'{_value(argument_of(row), needed=False)}"


def _value(value: Value, *, needed: bool = True) -> str:
    if value.kind == FILES:
        return " -r -F" if needed else " -F"
    words = f"(__secrets_exec_words {value.kind})" if value.kind else " ".join(value.words)
    return f"{' -x' if needed else ''}{f' -a {_quoted(words)}' if words else ''}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
