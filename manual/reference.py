"""docs/reference.md: every field of a manifest, from the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from envinject import providers
from envinject.schema import schema

from .markdown import code, sentence, table

Schema = dict[str, Any]

_HEAD = """\
# Manifest reference

Every field of a manifest, what it takes and what it is without it. This page is made from the
[schema](secrets-exec.schema.json) (`make manual`), so it says what an editor knows; how the fields work together is in
[The manifest](manifest.md), and what a provider does with its settings in [Providers](providers.md). An unknown field
is an error everywhere. The words are TOML's: a table is an object of JSON, a mapping of YAML.
"""
_SECTIONS = {
    "secretTable": ("A secret", "`[secrets]`, in the long form; the short form is [a reference](#a-reference)."),
    "expand": ("Expansion", "`expand` of a secret, where it is no more than `true`."),
    "options": ("Options", "`[options]`."),
    "cache": ("Cache", "`[cache]`."),
    "profile": ("Profile", "`[profiles.NAME]`."),
}
_FORMS = {"reference": "A reference", "literal": "A literal", "name": "A name", "duration": "A duration"}
_NAMED = {
    "secret": "[a reference](#a-reference) or [a secret](#a-secret)",
    "secretTable": "[a secret](#a-secret)",
    "expand": "[a table](#expansion)",
    "options": "[a table](#options)",
    "cache": "[a table](#cache)",
    "profile": "[a profile](#profile)",
    "provider": "[a provider](#a-provider)",
    "providers": "a table of [providers](#a-provider), by names of your choice",
    **{name: f"[{title[0].lower()}{title[1:]}](#{title.lower().replace(' ', '-')})" for name, title in _FORMS.items()},
}


def page() -> str:
    """The whole page."""
    whole = schema()
    known: dict[str, Schema] = whole["$defs"]
    return "\n".join(
        [
            _HEAD,
            f"## Top level\n\n{_fields(whole)}",
            *(f"## {title}\n\n{place}\n\n{_fields(known[name])}" for name, (title, place) in _SECTIONS.items()),
            f"## A provider\n\n{_provider(known)}",
            *(f"### {name}\n\n{_about(known[name])}.\n\n{_type(known[name])}" for name in providers.TYPES),
            "## Forms\n",
            *(f"### {title}\n\n{_form(known[name])}" for name, title in _FORMS.items()),
        ]
    )


def _fields(one: Schema) -> str:
    """The table of a table's fields."""
    rows = [
        (code(name), takes(field), _default(field), sentence(field.get("description", "")))
        for name, field in one["properties"].items()
    ]
    return table(("field", "takes", "default", "meaning"), rows)


def _about(one: Schema) -> str:
    about: str = one["description"]
    return about[0].upper() + about[1:]


def _default(field: Schema) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    return code(f"{value:g}" if isinstance(value, float) else json.dumps(value))


def _provider(known: dict[str, Schema]) -> str:
    pattern = code(known["providers"]["propertyNames"]["pattern"])
    about = f"`[providers.NAME]`. `NAME` matches {pattern}; where it is a type's, `type` may be left out."
    return f"{about}\n\n{_fields(known['provider'])}"


def _type(one: Schema) -> str:
    pairs = [" and ".join(map(code, rule["not"]["required"])) for rule in one.get("allOf", ())]
    either = f"\nAt most one of each pair: {'; '.join(pairs)}.\n" if pairs else ""
    return _fields(one) + either


def _form(one: Schema) -> str:
    about = [f"{one['description']}\n"] if "description" in one else []
    examples = [f"Such as {', '.join(map(code, one['examples']))}.\n"] if "examples" in one else []
    patterns = [f"Text matches\n\n```text\n{pattern}\n```\n" for pattern in _patterns(one)]
    either = "".join(_described(other) for other in one.get("anyOf", ()))
    return "\n".join([*about, either or f"It takes {takes(one)}.\n", *examples, *patterns])


def _described(one: Schema) -> str:
    """A line for one of several forms that says what it means; nothing where the schema does not tell."""
    inner = [field["description"] for field in one.get("properties", {}).values()]
    about = " ".join(filter(None, [one.get("description"), *inner]))
    return f"- {takes(one)}: {sentence(about)}\n" if about else ""


def _patterns(one: Schema) -> Iterator[str]:
    if "pattern" in one:
        yield one["pattern"]
    for other in one.get("anyOf", ()):
        yield from _patterns(other)


def takes(one: Schema) -> str:
    """What a value may be, in words."""
    if "$ref" in one:
        return _NAMED[one["$ref"].rpartition("/")[2]]
    if "anyOf" in one:
        return " or ".join(map(takes, one["anyOf"]))
    if "enum" in one:
        return " or ".join(code(json.dumps(value)) for value in one["enum"])
    if "const" in one:
        return code(json.dumps(one["const"]))
    match one.get("type"):
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number":
            return _number(one)
        case "array":
            return f"a list of {takes(one['items'])}".replace("of a list of", "of lists, each of")
        case "object":
            return _object(one)
        case "string":
            return _text(one)
    return "anything"


def _number(one: Schema) -> str:
    kind = "a whole number" if one["type"] == "integer" else "a number"
    if "minimum" in one:
        return f"{kind} from {one['minimum']} to {one['maximum']}"
    return f"{kind} above {one['exclusiveMinimum']}, at most {one['maximum']:g}" if "exclusiveMinimum" in one else kind


def _object(one: Schema) -> str:
    if "properties" in one:
        return f"a table of {', '.join(map(code, one['properties']))}"
    return f"a table, each {takes(one['additionalProperties'])}"


def _text(one: Schema) -> str:
    pattern = one.get("pattern", "")
    if "maxLength" in one:
        return f"text of at most {one['maxLength']} characters"
    if pattern and "|" not in pattern and len(pattern) < 30:  # a table cannot hold that character in code everywhere
        return f"text that matches {code(pattern)}"
    return "text that is not empty" if one.get("minLength") else "text"
