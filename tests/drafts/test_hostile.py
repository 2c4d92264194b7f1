"""Whatever stands in another tool's file: what becomes of it is a manifest, or an error of ours."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envinject.drafts import ecs, external_secrets, summon, teller
from envinject.drafts.draft import Draft
from envinject.drafts.source import _document, _node
from envinject.manifest.document import Node
from envinject.manifest.yamltext import Tagged

_KEYS = """
    containerDefinitions taskDefinition secrets name valueFrom environment logConfiguration secretOptions image
    environmentFiles repositoryCredentials apiVersion kind metadata spec provider secretStoreRef data secretKey
    remoteRef key property version decodingStrategy dataFrom extract rewrite find target template items
    externalSecretSpec auth sourceRef storeRef refreshInterval providers maps path keys id env env_sync field
    remap options opts common x-y
""".split()
_WORDS = ["", "a", "A", "==", "PATH", "arn:aws:secretsmanager:r:1:secret:n:k:s:v", "arn:aws:ssm", "arn:", "a#b", "$x"]
_WORDS += ["List", "ExternalSecret", "SecretStore", "external-secrets.io/v1", "Base64", "dotenv", "\ud800", '"\\\n\x00']


def _tagged(tag: str, text: str) -> Tagged:
    found = Tagged(text)
    found.tag = tag
    return found


_TAGS = st.builds(_tagged, st.sampled_from(["!var", "!var:file", "!file", "!", "!var:default='x'", "x"]), st.text())
_LEAVES = st.one_of(st.sampled_from(_WORDS), st.text(max_size=4), st.integers(), st.booleans(), st.none(), _TAGS)


def _trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.one_of(st.sampled_from(_KEYS), st.text(max_size=4))
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
    )


_DOCUMENTS = st.lists(st.dictionaries(st.sampled_from(_KEYS), _trees(_LEAVES), max_size=5), min_size=1, max_size=3)


def _nodes(trees: Sequence[Any]) -> list[Node]:
    return [_node(tree, _document("file", {}), ()) for tree in trees]


@pytest.mark.parametrize("tool", [ecs, external_secrets, summon, teller], ids=lambda tool: tool.__name__)
@settings(deadline=None, max_examples=300)
@given(trees=_DOCUMENTS)
def test_any_tree_becomes_a_manifest(tool: Any, trees: Sequence[Any]) -> None:
    documents = _nodes(trees)
    assert tool.is_one(documents) in (True, False)
    draft = Draft("file", "test")
    tool.carry(documents, draft)
    assert tomllib.loads(draft.toml())["manifest"] == 1
    assert all(loss.what and loss.hint for loss in draft.losses)
    assert draft.report("out")["shape"] == 1
