"""From merged tables to the model: every field checked, every problem told, all of them at once."""

from __future__ import annotations

import os

from .. import providers
from ..environ import CONFLICTS, changes_how_programs_run, is_glob, is_name
from ..errors import Failures, ManifestError, shown, suggest
from ..reference import COORDINATES, LONGEST, SecretRef, is_provider_name
from ..secret import Secret
from .document import Node
from .fields import MOST, Fields, unknown
from .model import FILE_MODE, FILES, TMPFS, AsFile, Composed, Entry, Literal, Manifest, OneOf, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from ..cache import CacheSettings
    from ..errors import SecretsExecError
    from ..expand import Expansion
    from ..providers.base import Provider, Setting

_OF_A_FILE = ("file", "mode", "name")
SECRET_FIELDS = (*COORDINATES, "expand", "required", "default", "decode", "as", *_OF_A_FILE, "description")
EXPAND_FIELDS = ("prefix", "case", "keys", "omit", "rename", "nested")
_LONGEST_FILE_NAME = 200  # of 249 that memfd_create(2) takes
_MOST_ENCODED, _BETWEEN = 12, 32
"""Characters that one of a coordinate takes at the most in a reference, and that stand between coordinates."""
_AUDITS = ("syslog", "journald")


class Reader(Fields):
    """Turns merged tables into a Manifest. `environ` is the launcher's; `allowed` holds endpoint hosts.

    `errors` are those that were met before; what is met here goes behind them.
    """

    def __init__(self, environ: Mapping[str, str], allowed: Collection[str], errors: list[SecretsExecError]) -> None:
        super().__init__(errors)
        self._environ = environ
        self._allowed = frozenset(host.lower() for host in allowed)
        self._providers: dict[str, Provider] = {}
        self._credentials = providers.CREDENTIAL_NAMES
        self._declared: dict[str, Node] = {}
        self._known_types: Sequence[str] = ()

    def manifest(
        self, tables: Mapping[str, Mapping[str, Node]], profile: str | None = None, elsewhere: Collection[str] = ()
    ) -> Manifest:
        """The model. `elsewhere` are names that a profile has, or has taken out.

        Raises: Failures, everything that is wrong in the order of providers, options, secrets, env.
        """
        self._declared = dict(tables["providers"])
        for name, node in tables["providers"].items():
            self._declare(name, node)
        options = self._options(tables["options"])
        for first_too_many in list(tables["secrets"].values())[MOST : MOST + 1]:
            self.fault(first_too_many, f"the manifest has {len(tables['secrets'])} secrets", f"at most {MOST}")
        entries = [self._entry(name, node, options) for name, node in tables["secrets"].items()]
        made = [self._literal(name, node, options) for name, node in tables["env"].items()]
        literals = [one for one in made if isinstance(one, Literal)]
        if options.export_profile and profile:
            node = tables["options"]["export_profile"]
            self._check_name(options.export_profile, node, options, injects=True)
            literals.append(Literal(options.export_profile, Secret(profile.encode()), node))
        templates = self._ordered(
            {one.name: one for one in made if isinstance(one, Composed)},
            [entry for entry in entries if entry],
            {*tables["secrets"], *tables["env"], *(literal.name for literal in literals)},
        )
        self._check_files([entry for entry in entries if entry])
        self._check_groups(options, entries, {*tables["secrets"], *tables["env"]}, elsewhere)
        cache = self._cache(tables["cache"]) if tables["cache"] else None
        if self.errors:
            raise Failures(self.errors)
        return Manifest(
            self._providers,
            tuple(entry for entry in entries if entry),
            tuple(literals),
            options,
            cache,
            profile,
            templates,
        )

    # Providers

    def _declare(self, name: str, node: Node) -> None:
        if not is_provider_name(name):
            self.fault(
                node, f"'{shown(name)}' is no provider name", "letters, digits, '-', '_' and '.', a letter first"
            )
            return
        if not isinstance(node.value, dict):
            self.fault(node, "a provider is a table", f"write [providers.{name}]")
            return
        if "type" not in node.value and not self._is_type(name):
            hint = f"{suggest(name, self._types())}write type = ..., one of: {', '.join(self._types())}"
            self.fault(node, f"the provider '{name}' has no type, and its name is none", hint)
            return
        kind = self.text(node, "type") if "type" in node.value else name
        if kind is not None:
            self._make(name, kind, node)

    def _is_type(self, name: str) -> bool:
        return name in providers.TYPES or name in self._types()

    def _types(self) -> Sequence[str]:
        """Every type, ours and other packages': looked for once, and only for names that are not ours."""
        if not self._known_types:
            self._known_types = providers.all_types()
        return self._known_types

    def _make(self, name: str, kind: str, node: Node) -> None:
        try:
            factory = providers.provider_class(kind)
        except ManifestError as error:
            self.errors.append(error.at(node.value["type"].place if "type" in node.value else node.place))
            return
        self._providers[name] = provider = factory(name, self._settings(node, factory), self._environ)
        self._credentials |= provider.credential_names

    def _settings(self, node: Node, factory: type[Provider]) -> dict[str, Any]:
        kinds = {setting.name: setting for setting in factory.SETTINGS}
        inline = [credential.name for credential in factory.CREDENTIALS]
        variables, files = [f"{name}_env" for name in inline], [f"{name}_file" for name in inline]
        known = ("type", *kinds, *variables, *files, *inline)
        self.errors += unknown(node, known, f"a provider of type {factory.type}")
        settings: dict[str, Any] = {}
        for name in node.value:
            if name in inline:
                hint = f"write {name}_env with a variable's name, or {name}_file with a path"
                self.fault(node.value[name], f"the credential '{name}' stands in the manifest", hint)
            elif name in variables:
                settings[name] = self._variable(node, name)
            elif name in files:
                settings[name] = self._path(node, name)
            elif name in kinds:
                settings[name] = self._setting(node, kinds[name], factory)
        for name in inline:
            if f"{name}_env" in settings and f"{name}_file" in settings:
                self.fault(node.value[f"{name}_file"], f"'{name}' has a variable and a file", "keep one of them")
        return {name: value for name, value in settings.items() if value is not None}

    def _variable(self, node: Node, name: str) -> str | None:
        text = self.text(node, name)
        if text is None or is_name(text):
            return text
        self.fault(node.value[name], f"'{name}' is the name of a variable", "never the credential itself")
        return None

    def _path(self, node: Node, name: str) -> str | None:
        text = self.text(node, name)
        if text == "":
            self.fault(node.value[name], f"'{name}' is empty", "write the path of a file, or leave it out")
        return os.path.join(node.value[name].document.folder, text) if text else None

    def _setting(self, node: Node, setting: Setting, factory: type[Provider]) -> Any:
        name, member = setting.name, node.value[setting.name]
        if setting.kind == "flag":
            return self.flag(node, name)
        if setting.kind == "seconds":
            return self.seconds(node, name)
        if setting.kind == "count":
            return self.count(node, name)
        if setting.kind == "path":
            return self._path(node, name)
        if setting.kind == "choice":
            return self.choice(node, name, setting.choices)
        text = self.text(node, name)
        if text is None:
            return None
        if name == "proxy" and "@" in text:
            self.fault(member, "the proxy's URL holds a credential", "set HTTPS_PROXY where the command is started")
            return None
        return self._endpoint(member, text, factory) if setting.kind == "endpoint" else text

    def _endpoint(self, node: Node, text: str, factory: type[Provider]) -> Any:
        from ..url import parse_endpoint

        endpoint = parse_endpoint(text)
        if endpoint is None:
            self.fault(
                node,
                "this is no endpoint",
                "write https://HOST, with a :PORT and a /PATH where they are needed",
            )
        elif endpoint.scheme != "https" and not endpoint.is_loopback:
            self.fault(node, "the endpoint is plain http", "only this machine itself may be reached without TLS")
        elif not (
            endpoint.is_loopback
            or endpoint.lies_in(factory.DOMAINS)
            or endpoint.host in self._allowed
            or endpoint.authority in self._allowed
        ):
            what = f"the endpoint {endpoint.host} is not {factory.type}'s own, and would receive its credentials"
            self.fault(node, what, f"if that is meant: --allow-endpoint {endpoint.host}")
        else:
            return endpoint
        return None

    # Options

    def _options(self, table: Mapping[str, Node]) -> Options:
        if not table:
            return Options()
        first = next(iter(table.values()))
        node = Node(dict(table), first.document, ("options",))
        self.errors += unknown(node, Options._fields, "[options]")
        readers: dict[str, Callable[[Node, str], Any]] = {
            "timeout": self.seconds,
            "outage": self.seconds,
            "concurrency": self.count,
            "on_conflict": lambda node, name: self.choice(node, name, CONFLICTS),
            "inherit": self._all_or_some,
            "keep_credentials": self._all_or_some,
            "allow_names": self.texts,
            "export_profile": self.text,
            "required_one_of": self._groups,
            "audit": self._audit,
            "audit_required": self.flag,
        }
        found = {name: readers[name](node, name) for name in table if name in readers}
        if found.get("audit_required") and "audit" not in table:
            self.fault(table["audit_required"], "there is no audit that could be required", 'set audit = "FILE", say')
        return Options(**{name: value for name, value in found.items() if value is not None})

    def _all_or_some(self, node: Node, name: str) -> bool | tuple[str, ...] | None:
        return self.texts(node, name) if isinstance(node.value[name].value, list) else self.flag(node, name)

    def _groups(self, node: Node, name: str) -> tuple[OneOf, ...] | None:
        lists = node.value[name].value
        if isinstance(lists, list) and all(isinstance(each.value, list) and each.value for each in lists):
            groups = [(each, [member.value for member in each.value]) for each in lists]
            if all(isinstance(member, str) for _, members in groups for member in members):
                return tuple(OneOf(tuple(dict.fromkeys(members)), each) for each, members in groups)
        hint = f'write {name} = [["A", "B"]]: one of A and B must be there'
        self.fault(node.value[name], f"'{name}' must be a list of lists of names", hint)
        return None

    def _check_groups(
        self, options: Options, entries: Sequence[Entry | None], declared: set[str], elsewhere: Collection[str]
    ) -> None:
        """Every name of a group may be set: here, by an expansion, or elsewhere, and at least one of them here."""
        expanded = {entry.name: entry.expansion for entry in entries if entry and entry.expansion}
        here = declared - expanded.keys()
        for group in options.required_one_of:
            unset = [n for n in group.names if n not in here and not any(e.may_make(n) for e in expanded.values())]
            unknown = [name for name in unset if name not in elsewhere or name in expanded]
            for name in unknown:
                what = f"required_one_of needs '{shown(name)}', which nobody sets"
                hint = f"{suggest(name, here)}a group is made of variables of the manifest; an expansion's name is none"
                self.fault(group.node, what, hint)
            if len(unset) == len(group.names) and not unknown:
                what = f"none of {', '.join(group.names)} is set in this profile, and one of them must be"
                self.fault(group.node, what, "set one, or give the profile a required_one_of of its own")

    def _audit(self, node: Node, name: str) -> str | None:
        if node.value[name].value in _AUDITS:
            return self.text(node, name)
        return self._path(node, name)

    # Cache

    def _cache(self, table: Mapping[str, Node]) -> CacheSettings | None:
        from ..cache import MAX_AGE_SECONDS, CacheSettings  # only where there is one

        before = len(self.errors)
        first = next(iter(table.values()))
        node = Node(dict(table), first.document, first.path[:1])
        self.errors += unknown(node, CacheSettings._fields, "[cache]")
        paths = {name: self._cache_path(node, name) for name in ("path", "key_file") if name in table}
        key_env = self.text(node, "key_env") if "key_env" in table else None
        max_age = self.seconds(node, "max_age") if "max_age" in table else None
        if "path" not in table:
            self.fault(node, "[cache] has no path", "say where the sealed file is kept")
        if ("key_file" in table) == ("key_env" in table):
            self.fault(node, "[cache] needs one key", "set key_file or key_env, not both")
        if key_env is not None and not is_name(key_env):
            self.fault(table["key_env"], "'key_env' is the name of a variable", "never the key itself")
        if len({_folder(path) for path in paths.values() if path}) < len(paths):
            self.fault(table["key_file"], "the key lies in the folder of the cache", "keep it elsewhere")
        if len(self.errors) > before:
            return None
        return CacheSettings(paths["path"] or "", paths.get("key_file"), key_env, max_age or MAX_AGE_SECONDS)

    def _cache_path(self, node: Node, name: str) -> str | None:
        text = self.text(node, name)
        return os.path.join(node.value[name].document.folder, text) if text is not None else None

    # Secrets

    def _entry(self, name: str, node: Node, options: Options) -> Entry | None:
        before = len(self.errors)
        if isinstance(node.value, ManifestError):
            self._check_name(name, node, options, injects=True)
            self.errors.append(node.value)
            return None
        self.errors += unknown(node, SECRET_FIELDS, "a secret")
        given = {field for field in node.value if node.value[field].value is not None}
        expansion = self._expansion(name, node, options) if "expand" in given else None
        self._check_name(name, node, options, injects="expand" not in given or _is_off(node.value["expand"]))
        required = self.flag(node, "required") if "required" in given else name not in options.grouped
        default = self.text(node, "default") if "default" in given else None
        if expansion and default is not None:
            self.fault(node.value["default"], "a default cannot be expanded", "use required = false")
        if "decode" in given and self.text(node, "decode") not in ("base64", None):
            self.fault(node.value["decode"], "'decode' knows base64 only", 'write decode = "base64"')
        as_file = self._as_file(name, node, given)
        if expansion and as_file:
            self.fault(node.value["as"], "an expansion cannot be a file", "expand it, or leave expand out: one file")
        ref = self._ref(node, given)
        target = self._target(ref, node) if ref else None
        if len(self.errors) > before or ref is None or target is None:
            return None
        return Entry(
            name,
            ref,
            target,
            node,
            expansion,
            bool(required),
            None if default is None else Secret(default.encode()),
            node.value["decode"].value if "decode" in given else None,
            self.text(node, "description") or "" if "description" in given else "",
            as_file,
        )

    def _as_file(self, name: str, node: Node, given: Collection[str]) -> AsFile | None:
        """How the value becomes a file. A profile that makes it a variable again need not undo the rest."""
        form = self.choice(node, "as", ("env", "file")) if "as" in given else None
        if form != "file":
            for field in _OF_A_FILE if "as" not in given else ():
                if field in given:
                    self.fault(node.value[field], f"'{field}' is for files", 'add as = "file", or leave it out')
            return None
        kind = self.choice(node, "file", FILES) if "file" in given else FILES[0]
        mode = self._mode(node) if "mode" in given else FILE_MODE
        called = self.text(node, "name") if "name" in given else name
        if called is not None and not _is_file_name(called):
            hint = f"a name without '/' that can be printed, of at most {_LONGEST_FILE_NAME} bytes"
            self.fault(node.value["name"], "this is no name for a file", hint)
        return AsFile(kind or FILES[0], mode or FILE_MODE, called or name)

    def _mode(self, node: Node) -> int | None:
        text = self.text(node, "mode")
        if text is None:
            return None
        if len(text) in (3, 4) and set(text) <= set("0246") and text[-4:-3] in ("", "0") and text[-3] in "46":
            return int(text, 8)
        hint = 'read is 4, read and write 6, for owner, group and others: write mode = "0400"'
        self.fault(node.value["mode"], "'mode' must let the owner read, and nobody execute", hint)
        return None

    def _check_files(self, entries: Sequence[Entry]) -> None:
        """Files that have names lie in one folder."""
        first: dict[str, Entry] = {}
        for entry in entries:
            if entry.as_file and entry.as_file.kind == TMPFS:
                other = first.setdefault(entry.as_file.name, entry)
                if other is not entry:
                    what = f"the files of {other.name} and {entry.name} have one name"
                    self.fault(entry.node, what, "give one of them another name")

    def _ref(self, node: Node, given: Collection[str]) -> SecretRef | None:
        missing = [name for name in ("provider", "id") if name not in given]
        if missing:
            self.fault(node, f"the secret has no {' and no '.join(missing)}", "it needs a provider and an id")
            return None
        found = {name: self._coordinate(node, name) for name in COORDINATES if name in given}
        coordinates = {name: text for name, text in found.items() if text is not None}
        if len(coordinates) < len(found):
            return None
        ref = SecretRef(**coordinates)
        may_be_long = _MOST_ENCODED * sum(map(len, coordinates.values())) > LONGEST - _BETWEEN
        if may_be_long and (length := len(str(ref))) > LONGEST:
            self.fault(node, f"a reference of {length} characters", f"at most {LONGEST}")
            return None
        if ref.key and ref.key.startswith("/"):
            from ..jsontext import pointer

            try:
                pointer(ref.key)
            except ValueError:
                self.fault(node.value["key"], "this is no JSON Pointer", "write '~' as ~0 and '/' in a key as ~1")
                return None
        return ref

    def _coordinate(self, node: Node, name: str) -> str | None:
        value = node.value[name].value
        if name == "version" and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64:
            return str(value)
        text = self.text(node, name)
        if text == "":
            self.fault(node.value[name], f"'{name}' is empty", "leave it out, or fill it in")
            return None
        return text

    def _target(self, ref: SecretRef, node: Node) -> SecretRef | None:
        provider = self._provider(ref.provider, node)
        if provider is None:
            return None
        at = node.value["id"]
        try:
            return provider.target(ref, at.document.folder)
        except ManifestError as error:
            where = f"{at.place}, {ref}" if at.path[-1:] == ("id",) else f"{node.place}, {ref}"
            self.errors.append(error.at(where))
            return None

    def _provider(self, name: str, node: Node) -> Provider | None:
        if name in self._providers or name in self._declared:
            return self._providers.get(name)
        if self._is_type(name):
            self._make(name, name, Node({}, node.document, node.path))
            return self._providers.get(name)
        known = [*self._declared, *self._types()]
        hint = f"{suggest(name, known)}This manifest has: {', '.join(known)}"
        self.fault(node.value["provider"], f"there is no provider '{name}'", hint)
        return None

    def _expansion(self, name: str, node: Node, options: Options) -> Expansion | None:
        from ..expand import CASES, NESTED, Expansion, chooser

        expand = node.value["expand"]
        if not isinstance(expand.value, dict):
            return Expansion(f"{name}_") if self.flag(node, "expand") else None
        before = len(self.errors)
        self.errors += unknown(expand, EXPAND_FIELDS, "expand")
        given = expand.value.keys() & set(EXPAND_FIELDS)
        prefix = self.text(expand, "prefix") if "prefix" in given else f"{name}_"
        if "prefix" in given and prefix and not is_name(prefix):
            self.fault(expand.value["prefix"], "the prefix can begin no variable's name", "letters, digits and '_'")
        case = self.choice(expand, "case", CASES) if "case" in given else CASES[0]
        nested = self.choice(expand, "nested", NESTED) if "nested" in given else NESTED[0]
        keys = self.texts(expand, "keys") if "keys" in given else None
        omit = self.texts(expand, "omit") if "omit" in given else ()
        rename = self._rename(expand, options) if "rename" in given else {}
        asked = [key for key in keys or () if key in (omit or ()) or not is_glob(key)]
        is_omitted, is_chosen = chooser(omit or ()), chooser(keys or ())
        for key in dict.fromkeys((*asked, *rename)):
            if key in (omit or ()) or is_omitted(key) or (keys is not None and not is_chosen(key)):
                self.fault(expand, f"the key '{shown(key)}' is asked for and left out", "mend keys, omit or rename")
        if len(self.errors) > before:
            return None
        return Expansion(prefix or "", case or CASES[0], keys, omit or (), rename, nested or NESTED[0])

    def _rename(self, expand: Node, options: Options) -> dict[str, str]:
        node = expand.value["rename"]
        if not isinstance(node.value, dict):
            self.fault(node, "'rename' is a table of keys and names", 'write rename = { key = "NAME" }')
            return {}
        names = {key: self.text(node, key) for key in node.value}
        for key, name in names.items():
            if name is not None:
                self._check_name(name, node.value[key], options, injects=True)
        found = {key: name for key, name in names.items() if name}
        first: dict[str, str] = {}
        for key, name in found.items():
            if (other := first.setdefault(name, key)) != key:
                keys = f"the keys '{shown(other)}' and '{shown(key)}'"
                self.fault(node, f"{keys} are both renamed {name}", "give each its own name")
        return found

    # Literals

    def _literal(self, name: str, node: Node, options: Options) -> Literal | Composed | None:
        self._check_name(name, node, options, injects=True)
        if isinstance(node.value, dict):
            return self._template(name, node)
        if not isinstance(node.value, str):
            self.fault(node, "a literal is a string", 'put it in quotes: NAME = "value"')
            return None
        return Literal(name, Secret(node.value.encode()), node)

    # Templates

    def _template(self, name: str, node: Node) -> Composed | None:
        if "template" not in node.value:
            hint = 'write NAME = "value", or NAME = { template = "..." }'
            self.fault(node, "a literal is a string", hint)
            return None
        self.errors += unknown(node, ("template",), "a variable of [env]")
        text = self.text(node, "template")
        if text is None:
            return None
        from ..template import parse

        try:
            return Composed(name, parse(text), node)
        except ManifestError as error:
            self.errors.append(error.at(node.value["template"].place))
            return None

    def _ordered(
        self, templates: Mapping[str, Composed], entries: Sequence[Entry], known: Collection[str]
    ) -> tuple[Composed, ...]:
        """Each template behind those that it is made of; names that nobody knows and circles are told."""
        expansions = [entry.expansion for entry in entries if entry.expansion]
        for template in templates.values():
            for name in template.names:
                if name in known or name in self._environ or any(each.may_make(name) for each in expansions):
                    continue
                hint = f"{suggest(name, known)}a template is made of variables of the manifest, or inherited ones"
                self.fault(template.node, f"the template needs {name}, which nobody sets", hint)
        ordered: dict[str, Composed] = {}
        for name in templates:
            self._order(name, templates, ordered, ())
        return tuple(ordered.values())

    def _order(
        self, name: str, templates: Mapping[str, Composed], ordered: dict[str, Composed], above: tuple[str, ...]
    ) -> None:
        if name in ordered or name not in templates:
            return
        if name in above:
            circle = " needs ".join((*above[above.index(name) :], name))
            self.fault(templates[name].node, f"templates in a circle: {circle}", "let one of them be a literal")
            ordered[name] = templates[name]
            return
        for needed in templates[name].names:
            self._order(needed, templates, ordered, (*above, name))
        ordered.setdefault(name, templates[name])

    # Names

    def _check_name(self, name: str, node: Node, options: Options, *, injects: bool) -> None:
        if not is_name(name):
            self.fault(node, f"'{shown(name)}' is no variable name", "letters, digits and '_', no digit first")
        elif injects and name not in options.allow_names and self._is_refused(name):
            what = f"{name} changes how programs run or is a provider's credential, and is refused"
            self.fault(node, what, f'if that is meant: options.allow_names = ["{name}"]')

    def _is_refused(self, name: str) -> bool:
        return changes_how_programs_run(name) or name in self._credentials


def _is_file_name(text: str) -> bool:
    fits = 0 < len(text.encode()) <= _LONGEST_FILE_NAME
    return fits and text.isprintable() and "/" not in text and text not in (".", "..")


def _folder(path: str) -> str:
    """The folder that a file really lies in; as it is written where the working folder is gone."""
    try:
        return os.path.dirname(os.path.realpath(path))
    except OSError:
        return os.path.dirname(path)


def _is_off(expand: Node) -> bool:
    """Whether `expand` says that nothing expands; something that it cannot say is told elsewhere."""
    return expand.value in (False, "false")
