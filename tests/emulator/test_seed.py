"""Seeds: what they may say, and that all that is wrong is told at once and without a value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinject.emulator import SeedError, load_seed, parse_seed

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/emulator/seed.toml"
CANARY = "canary-value"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def problems(document):
    with pytest.raises(SeedError) as caught:
        parse_seed(document)
    return caught.value.problems


def kakaocloud(**fields):
    return {"kakaocloud": {"secrets": [{"id": "one"} | fields]}}


def test_the_example_is_a_seed():
    seed = load_seed(EXAMPLE)
    assert [secret.name for secret in seed.kakaocloud.secrets.values()] == ["shop-api", "plain-text", "exact-numbers"]
    assert {secret.keys for secret in seed.ncloud.secrets.values()} == {"isolated", "global"}
    assert seed.ncloud.server_role is not None


def test_an_empty_seed_holds_nothing():
    seed = parse_seed({})
    assert not seed.kakaocloud.secrets
    assert not seed.ncloud.credentials


def test_a_seed_can_be_json(tmp_path):
    path = tmp_path / "seed.json"
    path.write_text(json.dumps(kakaocloud(value={"a": None})))
    assert load_seed(path).kakaocloud.secrets["one"].versions[1].text == '{"a":null}'


@given(json_values)
def test_a_value_becomes_json_that_says_the_same(value):
    text = parse_seed(kakaocloud(value=value)).kakaocloud.secrets["one"].versions[1].text
    assert json.loads(text) == value


@given(json_values.map(lambda value: json.dumps(value, indent=1)))
def test_json_text_is_kept_as_it_is(text):
    assert parse_seed(kakaocloud(value_json=text)).kakaocloud.secrets["one"].versions[1].text == text


@pytest.mark.parametrize(
    "text", ['{"n": 1e400}', '{"a": 1, "a": 2}', " 1.0 ", "9" * 5000, "[" * 100_000 + "]" * 100_000]
)
def test_unusual_json_text_is_json(text):
    assert parse_seed(kakaocloud(value_json=text)).kakaocloud.secrets["one"].versions[1].text == text


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1,]", "-Infinity"])
def test_text_that_is_no_json_is_told(text):
    (problem,) = problems(kakaocloud(value_json=text))
    assert problem.startswith("kakaocloud.secrets[one].value_json must be a text")


def test_the_default_version_is_the_newest_active_one():
    versions = [{"version": n, "value": n, "status": s} for n, s in ((1, "Active"), (3, "Destroyed"), (2, "Active"))]
    assert parse_seed(kakaocloud(versions=versions)).kakaocloud.secrets["one"].default_version == 2


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("50ms", 0.05), ("30s", 30), ("1.5m", 90), ("12h", 43200), ("1d", 86400), (2, 2), (0.5, 0.5)],
)
def test_a_duration_is_a_number_with_a_unit_or_seconds(duration, seconds):
    assert parse_seed({"kakaocloud": {"token_lifetime": duration}}).kakaocloud.token_lifetime == seconds


def test_delay_and_rate_of_a_provider_win_over_those_of_all():
    seed = parse_seed({"delay": "1s", "rate_limit": 5, "ncloud": {"delay": "2s", "rate_limit": 0.5}})
    assert (seed.traffic["kakaocloud"].delay, seed.traffic["kakaocloud"].rate_limit) == (1, 5)
    assert (seed.traffic["ncloud"].delay, seed.traffic["ncloud"].rate_limit) == (2, 0.5)
    assert (seed.traffic["metadata"].delay, seed.traffic["metadata"].rate_limit) == (1, None)


def test_everything_that_is_wrong_is_told_at_once():
    document = {
        "delay": "soon",
        "unheard-of": {},
        "kakaocloud": {
            "secret": [],
            "credentials": [{"name": "shop", "id": CANARY, "secrets": ["onee"]}],
            "secrets": [{"id": "one", "value": 1, "value_json": "1", "fail": {"times": 0}}, {"value": 1}],
        },
        "ncloud": {
            "denial": 404,
            "secrets": [{"id": "two", "status": "ENABLED", "keys": "global", "region": "JP"}],
            "server_role": {"id": "role"},
        },
    }
    assert problems(document) == [
        'delay must be a duration such as "50ms", "30s" or "12h"',
        "kakaocloud.secrets[one].value or value_json must be there, and not both",
        "kakaocloud.secrets[one].fail.status is missing",
        "kakaocloud.secrets[one].fail.times must be a whole number from 1 to 1000000000",
        "kakaocloud.secrets[2].id is missing",
        "kakaocloud.credentials[shop].secret is missing",
        "kakaocloud.credentials let shop read 'onee', which is no secret's id; did you mean 'one'?",
        "kakaocloud.secret is unknown; did you mean 'secrets'?",
        "ncloud.secrets[two].status must be one of ENABLE, DISABLE, REVOKE, ROTATING, DESTROYED",
        "ncloud.secrets[two].keys can be global in the region KR only",
        "ncloud.server_role.access_key is missing",
        "ncloud.server_role.secret_key is missing",
        "ncloud.denial must be one of 401, 403",
        "unheard-of is unknown",
    ]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "the seed is not a table"),
        ({"kakaocloud": 1}, "kakaocloud is not a table"),
        ({"kakaocloud": {"secrets": {}}}, "kakaocloud.secrets must be a list of tables"),
        ({"kakaocloud": {"rate_limit": 0}}, "kakaocloud.rate_limit must be a positive number"),
        ({"ncloud": {"rate_limit": True}}, "ncloud.rate_limit must be a positive number"),
        (kakaocloud(), "kakaocloud.secrets[one].value or value_json must be there, and not both"),
        (kakaocloud(value=float("inf")), "kakaocloud.secrets[one].value holds a number that is not finite"),
        (kakaocloud(value=object()), "kakaocloud.secrets[one].value is of a type that JSON has not"),
        (kakaocloud(value=1, default_version=2), "kakaocloud.secrets[one].default_version is none of the versions"),
        (kakaocloud(value=1, versions=[{"version": 1, "value": 1}]), "kakaocloud.secrets[one].value is in a version"),
        (
            kakaocloud(versions=[{"version": 1, "value": 1}] * 2),
            "kakaocloud.secrets[one].versions has 2 entries with the same version",
        ),
        (
            {"kakaocloud": {"secrets": [{"id": "one", "value": 1}] * 2}},
            "kakaocloud.secrets has 2 entries with the same id",
        ),
        (
            {"ncloud": {"credentials": [{"name": "a", "access_key": "fake", "secret_key": "fake"}] * 2}},
            "ncloud.credentials has 2 entries with the same access_key",
        ),
        (
            kakaocloud(value=1, fail={"status": 503, "retry_after": "1\r\nX: y"}),
            "kakaocloud.secrets[one].fail.retry_after must be printable ASCII",
        ),
        (
            {"ncloud": {"secrets": [{"id": "one", "rotation_targets": "password"}]}},
            "ncloud.secrets[one].rotation_targets must be a list of texts",
        ),
        ({"ncloud": {"secrets": [{"id": "one", "activ": "{}"}]}}, "ncloud.secrets[one].activ is unknown"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(document, problem):
    (told,) = problems(document)
    assert told.startswith(problem)


@pytest.mark.parametrize("field", ["id", "secret", "token", "name"])
def test_no_problem_holds_a_value(field):
    credential = {"name": "shop", "id": CANARY, "secret": CANARY, "token": CANARY}
    document = {
        "kakaocloud": {
            "credentials": [credential | {field: [CANARY]}, credential],
            **kakaocloud(value_json=CANARY)["kakaocloud"],
        }
    }
    assert CANARY not in "".join(problems(document))


def test_no_value_or_credential_is_in_a_repr():
    seed = parse_seed(
        {
            "kakaocloud": {
                "credentials": [{"name": "shop", "id": CANARY, "secret": CANARY, "token": CANARY}],
                "secrets": [{"id": "one", "value": CANARY, "fail": {"status": 500, "body": CANARY}}],
            },
            "ncloud": {
                "secrets": [{"id": "two", "active": CANARY}],
                "server_role": {"id": "role", "access_key": CANARY, "secret_key": CANARY},
            },
        }
    )
    assert CANARY not in repr(seed)
    assert CANARY not in repr(list(seed.kakaocloud.credentials.values()))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("seed.toml", b"delay = \n", "is not TOML: "),
        ("seed.json", b'{"delay": }', "is not JSON: Expecting value (line 1, column 11)"),
        ("seed.json", b"[" * 100_000, "is not JSON that can be read"),
        ("seed.toml", b"\xff", "is not UTF-8"),
        ("seed.toml", None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path, name, content, problem):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SeedError) as caught:
        load_seed(path)
    assert caught.value.problems[0].startswith(problem)
    assert str(caught.value).startswith(f"{name}: ")
    assert caught.value.__context__ is None
