"""KakaoCloud IAM: tokens for access keys, in the shape of OpenStack Keystone v3."""

from __future__ import annotations

import json

import pytest

TOKENS = "/kakaocloud-iam/identity/v3/auth/tokens"
SECRETS = "/kakaocloud/api/v1/secrets"
JSON = {"Content-Type": "application/json"}
SEED = {
    "kakaocloud": {
        "token_lifetime": "12h",
        "credentials": [
            {"name": "shop", "id": "fake-id", "secret": "fake-key"},
            {"name": "other", "id": "fake-other-id", "secret": "fake-other-key"},
        ],
    }
}


def asked(id="fake-id", secret="fake-key", methods=("application_credential",)):
    identity = {"methods": list(methods), "application_credential": {"id": id, "secret": secret}}
    return json.dumps({"auth": {"identity": identity}}).encode()


@pytest.fixture
def emulator(start):
    return start(SEED)


@pytest.fixture
def token(emulator, send):
    return send(emulator, "POST", TOKENS, JSON, asked()).headers["x-subject-token"]


def test_an_access_key_is_exchanged_for_a_token_in_a_header(emulator, send):
    answer = send(emulator, "POST", TOKENS, JSON, asked())
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-subject-token"]
    assert answer.headers["x-subject-token"] not in answer.body.decode()


def test_the_body_says_until_when_the_token_holds(emulator, send):
    described = send(emulator, "POST", TOKENS, JSON, asked()).json["token"]
    assert described["methods"] == ["application_credential"]
    assert described["issued_at"] == "2027-01-15T08:00:00.000000Z"
    assert described["expires_at"] == "2027-01-15T20:00:00.000000Z"
    assert described["project"].keys() == {"id", "name", "domain"}
    assert described["user"]["name"] == "shop"


def test_a_content_type_with_a_charset_is_json_too(emulator, send):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert send(emulator, "POST", TOKENS, headers, asked()).status == 201


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}])
def test_without_the_content_type_of_json_there_is_no_token(emulator, send, headers):
    answer = send(emulator, "POST", TOKENS, headers, asked())
    assert answer.status == 400
    assert "x-subject-token" not in answer.headers
    assert answer.json == {"error": {"code": 400, "message": "Bad Request.", "title": "Bad Request"}}


@pytest.mark.parametrize(
    "body", [asked(secret="wrong"), asked(id="unknown"), asked(secret="fake-other-key"), asked(secret="")]
)
def test_a_wrong_access_key_is_401_in_keystone_words(emulator, send, body):
    answer = send(emulator, "POST", TOKENS, JSON, body)
    message = "The request you have made requires authentication."
    assert answer.status == 401
    assert answer.json == {"error": {"code": 401, "message": message, "title": "Unauthorized"}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 60000,
        b'{"auth": {"identity": 1}}',
        asked(methods=["password"]),
        asked(id=1),
        asked(secret=None),
    ],
)
def test_a_body_that_makes_no_sense_is_400(emulator, send, body):
    assert send(emulator, "POST", TOKENS, JSON, body).status == 400


def test_each_of_several_access_keys_gets_its_own_token(emulator, send, token):
    other = send(emulator, "POST", TOKENS, JSON, asked("fake-other-id", "fake-other-key"))
    assert other.json["token"]["user"]["name"] == "other"
    assert other.headers["x-subject-token"] != token


def test_a_token_can_be_validated(emulator, send, token):
    answer = send(emulator, "GET", TOKENS, {"X-Auth-Token": token, "X-Subject-Token": token})
    assert answer.status == 200
    assert answer.headers["x-subject-token"] == token
    assert answer.json["token"]["expires_at"] == "2027-01-15T20:00:00.000000Z"


def test_validating_without_a_token_of_ones_own_is_401(emulator, send, token):
    assert send(emulator, "GET", TOKENS, {"X-Subject-Token": token}).status == 401


@pytest.mark.parametrize("subject", [{}, {"X-Subject-Token": "unknown"}])
def test_validating_a_token_that_does_not_hold_is_404(emulator, send, token, subject):
    answer = send(emulator, "GET", TOKENS, {"X-Auth-Token": token} | subject)
    assert answer.status == 404
    assert answer.json["error"]["code"] == 404


def test_a_token_holds_for_its_lifetime_and_no_longer(emulator, send, token, clock):
    clock.now += 12 * 60 * 60 - 1
    assert send(emulator, "GET", SECRETS, {"X-Auth-Token": token}).status == 200
    clock.now += 1
    assert send(emulator, "GET", SECRETS, {"X-Auth-Token": token}).status == 401


def test_the_lifetime_is_what_the_seed_says(start, send, clock):
    emulator = start({"kakaocloud": SEED["kakaocloud"] | {"token_lifetime": 30}})
    token = send(emulator, "POST", TOKENS, JSON, asked()).headers["x-subject-token"]
    clock.now += 30
    assert send(emulator, "GET", SECRETS, {"X-Auth-Token": token}).status == 401


def test_a_token_survives_a_restart_of_the_emulator(start, send, token):
    assert send(start(SEED), "GET", SECRETS, {"X-Auth-Token": token}).status == 200


def test_a_token_of_another_secret_access_key_is_unknown(start, send, token):
    changed = {"name": "shop", "id": "fake-id", "secret": "fake-new-key"}
    emulator = start({"kakaocloud": {"credentials": [changed]}})
    assert send(emulator, "GET", SECRETS, {"X-Auth-Token": token}).status == 401


def test_other_methods_are_405(emulator, send):
    answer = send(emulator, "DELETE", TOKENS)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST, GET"
    assert answer.json["error"]["title"] == "Method Not Allowed"


def test_another_path_is_404(emulator, send):
    assert send(emulator, "GET", "/kakaocloud-iam/identity/v3").json["error"]["title"] == "Not Found"
