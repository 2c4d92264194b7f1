"""Manifests: any bytes in any format are a manifest, or are refused in our own words.

The first byte of an input chooses the format, and whether the rest is taken as it stands, or as a manifest in JSON that
is written in that format, with the canary only where a value might stand that somebody should not have written there.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from envinject.errors import Denied, Failures, ManifestError
from envinject.manifest import Manifest, load, yamltext  # noqa: F401  # yamltext: so that it is watched too
from envinject.manifest import lines as _lines  # noqa: F401  # so that it is watched too
from envinject.providers.base import HTTPProvider
from envinject.transports import Answer

from .canary import CANARY, MARK, check, marked
from .flows import Driver

_FORMATS = ("toml", "json", "yaml")
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
_ENVIRON = {"KAKAOCLOUD_TOKEN": CANARY, "NCLOUD_ACCESS_KEY": "id", "NCLOUD_SECRET_KEY": CANARY}
_BUILT = 0x40
"""The bit of the first byte that says so; its rest by three is the format."""
_SYNTAX = "the manifest is not "
_SHOWN = ("type", "endpoint", "iam_endpoint", "ca_bundle")
_CANNOT_BE_SHOWN = ("default", "description", "decode", "as", "required", "expand")


def try_one(data: bytes) -> None:
    """See above."""
    chosen = data[0] if data else 0
    form = _FORMATS[chosen % len(_FORMATS)]
    text, is_built = data[1:], False
    if chosen & _BUILT:
        tree = _parsed(text)
        is_built = isinstance(tree, dict)
        text = _written(_placed(tree, ()), form) if is_built else text
    path = os.path.join(_FOLDER.name, f"secrets.{form}")
    with open(path, "wb") as file:
        file.write(text if is_built else marked(text))
    try:
        manifest = load([path], _ENVIRON, warn=lambda _what, _hint: None)
    except (Failures, ManifestError) as error:
        _check(error, is_built=is_built)
    else:
        _read(manifest)


def _check(error: Failures | ManifestError, *, is_built: bool) -> None:
    for each in error.errors if isinstance(error, Failures) else [error]:
        if is_built or each.what.startswith(_SYNTAX):  # else the canary may be a key, which is told
            check(each)


def _read(manifest: Manifest) -> None:
    """Whatever the settings are, requests can be built of them, and a refusal can be told."""
    for entry in manifest.entries:
        provider = manifest.providers[entry.target.provider]
        if isinstance(provider, HTTPProvider):
            Driver([Answer(401, {}, b"")], lambda _path: Denied("not to be read")).end(provider.read((entry.target,)))


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _placed(value: Any, path: tuple[str, ...]) -> Any:
    """The tree with the canary for each mark that stands where a value might, and without the other marks."""
    if isinstance(value, dict):
        return {_unmarked(key): _placed(member, (*path, key)) for key, member in value.items()}
    if isinstance(value, list):
        return [_placed(member, (*path, "[]")) for member in value]
    if isinstance(value, str):
        return value.replace(MARK, CANARY) if _may_hold_a_value(path) and "://" not in value else _unmarked(value)
    return value


def _unmarked(text: str) -> str:
    return text.replace(MARK, "")


def _may_hold_a_value(path: tuple[str, ...]) -> bool:
    match path:
        case ("env", _) | ("secrets", _) | ("options", _):
            return True
        case ("secrets", _, field):
            return field in _CANNOT_BE_SHOWN
        case ("providers", _, setting):
            return setting not in _SHOWN and not setting.endswith("_file")
    return False


def _written(tree: Any, form: str) -> bytes:
    if form == "toml":
        text = "\n".join(f"{json.dumps(key)} = {_toml(member)}" for key, member in tree.items())
    elif form == "yaml":
        text = "\n".join(f"{json.dumps(key)}: {json.dumps(member)}" for key, member in tree.items())
    else:
        text = json.dumps(tree)
    return text.encode()


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
