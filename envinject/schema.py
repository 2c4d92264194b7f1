"""The JSON Schema of a manifest, for editors: made of the tables that the reader itself checks with.

A schema sees one file. What another file may add (the id of a secret whose default alone stands here) it cannot ask
for, and what depends on two places (a profile that is not there, a template's names) it cannot see: `check` can.
"""

from __future__ import annotations

from . import providers
from .cache import CacheSettings
from .duration import LONGEST as LONGEST_DURATION
from .environ import CONFLICTS, LONGEST_NAME
from .expand import CASES, NESTED
from .manifest.fields import MOST
from .manifest.merge import TOP
from .manifest.model import FILE_MODE, FILES, Options
from .manifest.profiles import KNOWN
from .manifest.reader import EXPAND_FIELDS, SECRET_FIELDS
from .reference import LONGEST as LONGEST_REFERENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from .providers.base import Provider, Setting

    Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NAME = f"^[A-Za-z_][A-Za-z0-9_]{{0,{LONGEST_NAME - 1}}}$"
_PROVIDER_NAME = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
_REFERENCE = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}://[^?#]+(\?(version|stage)=[^&#]+)?(#[\s\S]+)?$"
_DURATION = r"^([0-9]+\.?[0-9]*|\.[0-9]+)(ms|s|m|h)?$"


def schema() -> Schema:
    """The schema of one manifest file, with our own providers."""
    return {
        "$schema": DIALECT,
        "title": "A manifest of secrets-exec",
        "description": "Which variables come from where. It never holds a secret value.",
        **_table(_only(TOP, _top())),
        "$defs": {
            "name": {"type": "string", "pattern": _NAME},
            "duration": _duration(),
            "providers": _providers(),
            "provider": _provider(),
            **{name: _typed(providers.provider_class(name)) for name in providers.TYPES},
            "reference": _reference(),
            "secret": {"anyOf": [_ref("reference"), _ref("secretTable")]},
            "secretTable": _table(_only(SECRET_FIELDS, _secret())),
            "expand": _table(_only(EXPAND_FIELDS, _expand())),
            "literal": _literal(),
            "options": _table(_only(Options._fields, _options())),
            "cache": _table(_only(CacheSettings._fields, _cache())),
            "profile": _table(_only(KNOWN, _profile())),
        },
    }


def _only(known: Collection[str], described: Mapping[str, Schema]) -> Mapping[str, Schema]:
    """The descriptions of what the reader knows. A field that nobody described is a mistake of ours."""
    return {name: described[name] for name in known}


def _table(properties: Mapping[str, Schema], **more: Any) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False, **more}


def _named(members: Schema, about: str) -> Schema:
    return {
        "description": about,
        "type": "object",
        "propertyNames": _ref("name"),
        "additionalProperties": members,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _text(about: str, **more: Any) -> Schema:
    return {"description": about, "type": "string", **more}


def _flag(about: str, default: bool) -> Schema:
    return {"description": about, "type": "boolean", "default": default}


def _texts(about: str) -> Schema:
    return {"description": about, "type": "array", "items": {"type": "string"}}


def _count(about: str) -> Schema:
    return {"description": about, "type": "integer", "minimum": 1, "maximum": MOST}


def _seconds(about: str) -> Schema:
    return {"description": about, **_ref("duration")}


def _duration() -> Schema:
    number = {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_DURATION}
    return {
        "description": "A number without a unit is seconds.",
        "anyOf": [{"type": "string", "pattern": _DURATION}, number],
        "examples": ["500ms", "30s", "2m", "1h"],
    }


# The top


def _top() -> dict[str, Schema]:
    return {
        "manifest": {"description": "The version of this format.", "enum": [1, "1"]},
        "$schema": {"description": "For editors."},
        "profiles": {
            "description": "Parts that count when they are chosen with -P.",
            "type": "object",
            "additionalProperties": _ref("profile"),
        },
        "providers": _ref("providers"),
        "secrets": _named(_ref("secret"), "A reference for each variable, or an expansion."),
        "env": _named(_ref("literal"), "Literals, and templates that are made of other variables."),
        "options": _ref("options"),
        "cache": _ref("cache"),
    }


def _profile() -> dict[str, Schema]:
    removed = {"description": "Takes the variable out.", "const": False}
    return {
        "inherits": _text("Another profile, which lies beneath this one."),
        "providers": _ref("providers"),
        "secrets": _named({"anyOf": [_ref("reference"), _ref("secretTable"), removed]}, "Over the manifest's."),
        "env": _named({"anyOf": [_ref("literal"), removed]}, "Over the manifest's."),
        "options": _ref("options"),
    }


# Providers


def _providers() -> Schema:
    """A table that is called as a type needs no type of its own."""
    own = {
        name: {"if": {"required": ["type"]}, "then": _ref("provider"), "else": _ref(name)} for name in providers.TYPES
    }
    return {
        "description": "Stores, by names of your choice.",
        "type": "object",
        "propertyNames": {"pattern": _PROVIDER_NAME},
        "properties": own,
        "additionalProperties": _ref("provider"),
    }


def _provider() -> Schema:
    """By its type: one of ours is described, one of another package may have any settings."""
    known = [
        {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": _ref(name)}
        for name in providers.TYPES
    ]
    return {"type": "object", "properties": {"type": _type()}, "allOf": known}


def _type() -> Schema:
    ours = {"enum": list(providers.TYPES)}
    return {"description": "Which store it is.", "anyOf": [ours, {"type": "string", "pattern": _PROVIDER_NAME}]}


def _typed(kind: type[Provider]) -> Schema:
    settings = {setting.name: _setting(setting) for setting in kind.SETTINGS}
    for credential in kind.CREDENTIALS:
        default = f" ({', else '.join(credential.variables)})" if credential.variables else ""
        settings[f"{credential.name}_env"] = {
            "description": f"The variable that holds {credential.name}{default}.",
            **_ref("name"),
        }
        settings[f"{credential.name}_file"] = _text(f"The file that holds {credential.name}.", minLength=1)
    both = [{"not": {"required": [f"{one.name}_env", f"{one.name}_file"]}} for one in kind.CREDENTIALS]
    more = {"allOf": both} if both else {}
    return {"description": kind.about, **_table({"type": {"const": kind.type}, **settings}, **more)}


def _setting(setting: Setting) -> Schema:
    about = setting.about
    if setting.kind == "flag":
        return {"description": about, "type": "boolean"}
    if setting.kind == "choice":
        return {"description": about, "enum": list(setting.choices)}
    if setting.kind == "seconds":
        return _seconds(about)
    if setting.kind == "count":
        return _count(about)
    if setting.kind == "path":
        return _text(about, minLength=1)
    if setting.kind == "endpoint":
        return _text(about, pattern="^https?://[^@]+$")
    return _text(about)


# Secrets


def _reference() -> Schema:
    return {
        "description": "PROVIDER://ID, with ?version=N or ?stage=S, and #KEY for a key of the JSON object.",
        "type": "string",
        "pattern": _REFERENCE,
        "maxLength": LONGEST_REFERENCE,
    }


def _secret() -> dict[str, Schema]:
    revision = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}
    return {
        "provider": _text("A provider's name in this manifest, or a type.", minLength=1),
        "id": _text("Which secret, as the store calls it.", minLength=1),
        "version": {"description": "A revision that never changes.", **revision},
        "stage": _text("A label that moves between revisions.", minLength=1),
        "key": _text("A key of the JSON object, or a JSON Pointer that begins with '/'.", minLength=1),
        "expand": {
            "description": "Several variables from one JSON object.",
            "anyOf": [{"type": "boolean"}, _ref("expand")],
        },
        "required": _flag("Whether the start stops when the secret is not found.", True),
        "default": _text("The value when the secret is not found."),
        "decode": {"description": "How the value is encoded.", "enum": ["base64"]},
        "as": {"description": "What the variable holds: the value, or a path.", "enum": ["env", "file"]},
        "file": {"description": "Where the file is: in memory without a name, or on a tmpfs.", "enum": list(FILES)},
        "mode": _text("The file's mode.", pattern="^0?[46][0246]{2}$", default=f"0{FILE_MODE:o}"),
        "name": _text("The file's name.", pattern="^[^/]+$"),
        "description": _text("For readers."),
    }


def _expand() -> dict[str, Schema]:
    return {
        "prefix": _text("What every name begins with.", pattern=f"^$|{_NAME}"),
        "case": {"description": "How keys are written.", "enum": list(CASES), "default": CASES[0]},
        "keys": _texts("Only these, or what matches these globs; each must be there."),
        "omit": _texts("All but these, or what matches these globs."),
        "rename": {
            "description": "The whole name for a key, without the prefix.",
            "type": "object",
            "additionalProperties": _ref("name"),
        },
        "nested": {
            "description": "What a nested object or array becomes.",
            "enum": list(NESTED),
            "default": NESTED[0],
        },
    }


def _literal() -> Schema:
    about = (
        "Made of other variables: ${NAME}, ${NAME:url}, ${NAME:json}, ${NAME:base64}, ${NAME:shell}; $$ is a dollar."
    )
    template = _table({"template": _text(about)}, required=["template"])
    return {"anyOf": [_text("The value as it is. No secret stands here."), template]}


# Options


def _options() -> dict[str, Schema]:
    chosen = {
        "timeout": _seconds("The deadline of the whole start."),
        "outage": _seconds("How long a host may give no answer at all."),
        "concurrency": _count("Requests under way at once, all providers together."),
        "on_conflict": {"description": "What a variable does that is also inherited.", "enum": list(CONFLICTS)},
        "inherit": _all_or_some("Which variables of the launcher reach the command: all, none, or globs."),
        "keep_credentials": _all_or_some("Which variables with the providers' credentials reach the command."),
        "allow_names": _texts("Names that may be set although they are refused."),
        "required_one_of": {
            "description": "Groups of names, of each of which one must come out.",
            "type": "array",
            "items": {"type": "array", "items": _ref("name"), "minItems": 1},
        },
        "audit": _text("Where it is told each time that secrets are read: a file, syslog, or journald.", minLength=1),
        "audit_required": _flag("Whether nothing starts or is handed out without that line.", False),
        "export_profile": {"description": "The variable that tells the chosen profile.", **_ref("name")},
    }
    defaults = {name: getattr(Options, name) for name in chosen}
    shown = {name: value for name, value in defaults.items() if isinstance(value, bool | int | float | str)}
    return {name: {**one, "default": shown[name]} if name in shown else one for name, one in chosen.items()}


def _all_or_some(about: str) -> Schema:
    return {"description": about, "anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]}


def _cache() -> dict[str, Schema]:
    return {
        "path": _text("Where the sealed file is kept."),
        "key_file": _text("The file of its key."),
        "key_env": {"description": "The variable that holds its key.", **_ref("name")},
        "max_age": _seconds("For how long it is good."),
    }
