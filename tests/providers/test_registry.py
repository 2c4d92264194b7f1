"""Which providers there are: ours first, other people's by entry point, each imported when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from envinject.errors import ManifestError
from envinject.providers import CREDENTIAL_NAMES, TYPES, all_types, provider_class
from envinject.providers.base import Provider

KINDS = {"text", "choice", "flag", "seconds", "count", "endpoint", "path"}


@pytest.mark.parametrize("name", TYPES)
def test_each_type_is_a_provider_of_that_name(name):
    kind = provider_class(name)
    assert issubclass(kind, Provider)
    assert kind.type == name
    assert kind.about


@pytest.mark.parametrize("name", TYPES)
def test_the_table_knows_every_variable_that_a_provider_reads_credentials_from(name):
    variables = {variable for credential in provider_class(name).CREDENTIALS for variable in credential.variables}
    assert set(TYPES[name].credentials) == variables
    assert variables <= CREDENTIAL_NAMES


@pytest.mark.parametrize("name", TYPES)
def test_each_setting_is_of_a_kind_that_manifests_know(name):
    for setting in provider_class(name).SETTINGS:
        assert setting.kind in KINDS
        assert setting.about
        assert bool(setting.choices) == (setting.kind == "choice")


@pytest.mark.parametrize("name", TYPES)
def test_a_provider_says_what_its_versions_and_stages_are_and_checks_them(name):
    kind = provider_class(name)
    assert kind.COORDINATES.keys() <= {"version", "stage"}
    provider = kind("p", {}, {})
    for coordinate in kind.COORDINATES:
        assert not provider.accepts(coordinate, "../x")


@pytest.mark.parametrize(("written", "meant"), [("kakao", "kakaocloud"), ("ncloudd", "ncloud"), ("enf", "env")])
def test_a_type_that_there_is_not_is_told_with_the_near_one_and_all(written, meant):
    with pytest.raises(ManifestError) as caught:
        provider_class(written)
    assert f"did you mean '{meant}'?" in caught.value.hint
    for name in TYPES:
        assert name in caught.value.hint


def test_only_the_provider_that_is_asked_for_is_imported():
    program = (
        "import sys\n"
        "from envinject.providers import provider_class\n"
        "provider_class('file')\n"
        "print(*sorted(name for name in sys.modules if name.startswith('envinject.providers.')))\n"
    )
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, env=os.environ, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"envinject.providers.base envinject.providers.file\n"


# Other people's


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package with a provider, as pip does."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def installed(entries: dict[str, str], module: str = "") -> None:
        about = tmp_path / "vault_of_others-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: vault-of-others\nVersion: 1.0\n")
        lines = "".join(f"{name} = {target}\n" for name, target in entries.items())
        (about / "entry_points.txt").write_text(f"[envinject.providers]\n{lines}")
        (tmp_path / "vault_of_others.py").write_text(module)

    yield installed
    sys.modules.pop("vault_of_others", None)


VAULT = """
from envinject.providers.base import Provider
from envinject.secret import Secret


class Vault(Provider):
    type = "vault"
    about = "somebody else's"

    def read(self, refs):
        return {ref: Secret(b"of others") for ref in refs}
        yield
"""


def test_a_provider_of_another_package_is_used_like_ours(installed, read):
    installed({"vault": "vault_of_others:Vault"}, VAULT)
    assert all_types() == [*TYPES, "vault"]
    assert read({"A": "vault://x", "B": "mine://y"}, {"mine": {"type": "vault"}}) == {
        "A": b"of others",
        "B": b"of others",
    }


def test_nobody_takes_the_place_of_ours(installed):
    installed({"file": "vault_of_others:Vault"}, VAULT)
    assert provider_class("file").__module__ == "envinject.providers.file"
    assert all_types() == [*TYPES]


@pytest.mark.parametrize(
    ("target", "module"),
    [
        ("vault_of_others:Missing", VAULT),
        ("no_such_module:Vault", VAULT),
        ("vault_of_others:Vault", "import no_such_module_either"),
        ("vault_of_others:Vault", "raise RuntimeError('of theirs')"),
        ("vault_of_others:Vault", "not Python at all"),
    ],
)
def test_a_provider_that_cannot_be_imported_is_told_by_name_and_never_skipped(installed, target, module):
    installed({"vault": target}, module)
    with pytest.raises(ManifestError) as caught:
        provider_class("vault")
    assert "'vault'" in caught.value.what
    assert target in caught.value.what
