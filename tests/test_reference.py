"""References: `PROVIDER://ID[?version=N | ?stage=S][#KEY]`, read and written."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from reading import outcome

from envinject.errors import ManifestError
from envinject.reference import LONGEST, SecretRef, is_provider_name, is_reference, parse

any_text = st.text(st.characters(exclude_categories=()), min_size=1, max_size=40)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,20}", fullmatch=True)
revisions = st.one_of(
    st.just({}), any_text.map(lambda text: {"version": text}), any_text.map(lambda text: {"stage": text})
)
references = st.builds(
    lambda provider, id, key, revision: SecretRef(provider, id, key=key, **revision),
    names,
    any_text,
    st.none() | any_text,
    revisions,
)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("kakao://7a0c41", SecretRef("kakao", "7a0c41")),
        ("kakao://7a0c41?version=3#token", SecretRef("kakao", "7a0c41", version="3", key="token")),
        ("naver://4f1c?stage=previous", SecretRef("naver", "4f1c", stage="previous")),
        ("naver://4f1c#/a/b~1c/0", SecretRef("naver", "4f1c", key="/a/b~1c/0")),
        ("dotenv://../config/.env#DB", SecretRef("dotenv", "../config/.env", key="DB")),
        ("file:///run/secrets/a b", SecretRef("file", "/run/secrets/a b")),
        ("file://a%3Fb%23c%25d%20e", SecretRef("file", "a?b#c%d e")),
        ("file://%EB%B9%84%EB%B0%80", SecretRef("file", "비밀")),
        ("env://X#key with # and ? and %41", SecretRef("env", "X", key="key with # and ? and %41")),
        ("my-naver_2.kr://x", SecretRef("my-naver_2.kr", "x")),
    ],
)
def test_the_short_form_is_read(text, ref):
    assert parse(text) == ref


@given(references)
@example(SecretRef("p", "a%41", key="/~0~1/"))
@example(SecretRef("p", "\ud800", version="&=?#%"))
@example(SecretRef("p", " \n\0\x7f\u2028비밀"))
def test_what_is_written_is_read_back_the_same(ref):
    assume(len(str(ref)) <= LONGEST)
    assert parse(str(ref)) == ref
    assert is_reference(str(ref))


@given(st.text(string.ascii_letters + string.digits + ":/?#%=&. \n", max_size=60) | st.text())
def test_any_text_is_a_reference_or_a_manifest_error(text):
    found = outcome(lambda: parse(text), ManifestError)
    if isinstance(found, SecretRef):
        assert parse(str(found)) == found
    else:
        assert found.what
        assert not found.where


@given(names, st.text(st.characters(categories=["L", "N", "P"]), min_size=8).map(lambda t: f"canary{t}"))
@example("p", "canary%zz")
@example("p", "canary?verzion=1")
@example("p", "canary#")
@example("1", "canary")
def test_an_error_never_shows_the_id(provider, id):
    found = outcome(lambda: parse(f"{provider}://{id}"), ManifestError)
    if isinstance(found, ManifestError):
        assert "canary" not in found.what + found.hint


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("7a0c41", "this is no reference", "write PROVIDER://ID"),
        ("", "this is no reference", "write PROVIDER://ID"),
        ("://x", "this is no reference", ""),
        ("9p://x", "this is no reference", ""),
        ("a b://x", "this is no reference", ""),
        ("é://x", "this is no reference", ""),
        ("kakao:x", "this is no reference", ""),
        ("kakao://x#", "the key after '#' is empty", "leave '#' out"),
        ("kakao://x?", "'?' says nothing", "write ?version=N or ?stage=S"),
        ("kakao://x?verison=3", "'?verison' says nothing", "did you mean 'version'?"),
        ("kakao://x?version=", "the version after '?version=' is empty", ""),
        ("kakao://x?version", "the version after '?version=' is empty", ""),
        ("kakao://x?version=3&stage=active", "more than one of version and stage", ""),
        ("kakao://%4", "'%' is not followed by two hex digits", "write a '%' as %25"),
        ("kakao://a%zz", "'%' is not followed by two hex digits", ""),
        ("kakao://a%٣٣", "'%' is not followed by two hex digits", ""),
        ("kakao://a%+1", "'%' is not followed by two hex digits", ""),
        ("kakao://%ff", "'%' is not followed by two hex digits of UTF-8", ""),
        ("kakao://" + "a" * LONGEST, "a reference of 2056 characters", "at most 2048"),
    ],
)
def test_what_is_no_reference_is_told_with_a_way_to_mend_it(text, what, hint):
    with pytest.raises(ManifestError) as caught:
        parse(text)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_an_order_of_coordinates_that_is_wrong_makes_a_key_of_the_rest():
    assert parse("kakao://x#key?version=3").key == "key?version=3"


@pytest.mark.parametrize("name", ["a", "A-1", "kakao.kr_2", "z" * 64])
def test_a_provider_name_is_a_letter_and_plain_characters(name):
    assert is_provider_name(name)


@pytest.mark.parametrize("name", ["", "1a", "-a", "_a", ".a", "a/b", "a b", "a:b", "naïve", "z" * 65, "a\n"])
def test_anything_else_is_no_provider_name(name):
    assert not is_provider_name(name)


@given(references)
def test_the_whole_reference_has_no_key_and_is_the_same_otherwise(ref):
    assert ref.whole.key is None
    assert ref.whole.replace(key=ref.key) == ref
    assert ref.whole.whole == ref.whole
