"""Secrets: seen through `reveal()` and through nothing else."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import string
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinject.errors import BadValue
from envinject.secret import Secret

CANARY = "canary-5f3a91"

canaries = st.text(string.ascii_letters + string.digits, min_size=8, max_size=40).map(lambda text: f"{CANARY}{text}")


@given(st.binary())
def test_reveal_gives_the_bytes_and_len_their_number(value):
    assert Secret(value).reveal() == value
    assert len(Secret(value)) == len(value)


def test_an_empty_secret_is_still_something():
    assert Secret(b"")


@given(canaries)
def test_no_text_form_shows_the_value(value):
    secret = Secret(value.encode())
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{secret:>40}",
        format(secret, "s"),
        "{0}".format(secret),  # noqa: UP030, UP032  # the old ways are what is tested
        "%s %r %a" % (secret, secret, secret),  # noqa: UP031  # as above
        string.Template("$x").substitute(x=secret),
        pprint.pformat({"a": [secret]}),
        repr([secret, (secret,), {"a": secret}]),
        ascii(secret),
        str(BaseException(secret)),
        repr(dir(secret)),
    ]
    assert [text for text in shown if CANARY in text] == []


WAYS_OUT = {
    "pickle": lambda secret: [pickle.dumps(secret, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)],
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy of a list": lambda secret: copy.deepcopy([secret]),
    "state": lambda secret: secret.__getstate__(),
    "json": json.dumps,
    "vars": vars,
    "bytes": bytes,
    "list": list,
    "memoryview": memoryview,
    "iter": iter,
    "index": lambda secret: secret[0],
    "concatenation": lambda secret: b"" + secret,
    "membership": lambda secret: b"c" in secret,
    "order": lambda secret: secret < Secret(b"z"),
}


@pytest.mark.parametrize("way", WAYS_OUT.values(), ids=WAYS_OUT)
def test_every_other_way_to_the_value_is_a_type_error(way):
    with pytest.raises(TypeError) as caught:
        way(Secret(CANARY.encode()))
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_secrets_do_not_tell_by_comparison_what_they_hold():
    secret = Secret(b"same")
    assert secret == secret  # the same object is
    assert secret != Secret(b"same")
    assert secret != b"same"
    assert len({secret, Secret(b"same")}) == 2


def test_a_secret_cannot_be_given_attributes():
    with pytest.raises(AttributeError):
        Secret(b"x").note = "y"


def test_a_log_record_and_a_traceback_with_locals_show_nothing(caplog):
    def fail(secret):
        logging.getLogger("anybody").error("got %s, %r", secret, [secret])
        raise BadValue(f"bad {secret}")

    with pytest.raises(BadValue) as caught:
        fail(Secret(CANARY.encode()))
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(told.format())
    assert "secret = Secret(...)" in text
    assert CANARY not in text + caplog.text


def test_a_revision_is_no_secret_and_goes_with_the_value():
    secret = Secret(b"value", revision="version=3")
    assert (secret.revision, secret.reveal()) == ("version=3", b"value")
    assert Secret(b"value").revision == ""
