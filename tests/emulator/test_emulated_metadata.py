"""A NAVER Cloud server's metadata: the credentials of its Server Role, by versions 1 and 2."""

from __future__ import annotations

import pytest

TOKEN = "/latest/api/token"
ROLE = "/latest/meta-data/iam/security-credentials"
TTL = {"X-NCP-METADATA-TOKEN-TTL-SECONDS": "300"}


def seed(**role):
    server_role = {"id": "fake-role", "access_key": "fake-access", "secret_key": "fake-secret"} | role
    return {"ncloud": {"server_role": server_role, "secrets": [{"id": "one", "active": "{}"}]}}


def test_version_1_is_two_requests(start, send):
    emulator = start(seed())
    assert send(emulator, "GET", ROLE).body == b"fake-role"
    assert send(emulator, "GET", f"{ROLE}/").body == b"fake-role"
    answer = send(emulator, "GET", f"{ROLE}/fake-role")
    assert answer.json == {
        "Code": "Success",
        "LastUpdated": "2027-01-15T08:00:00Z",
        "Type": "NCP-HMAC",
        "AccessKeyId": "fake-access",
        "SecretAccessKey": "fake-secret",
        "Token": "",
        "Expiration": "2027-01-15T09:00:00Z",
    }


def test_version_2_has_a_token_before_them(start, send):
    emulator = start(seed(metadata="v2"))
    token = send(emulator, "PUT", TOKEN, TTL)
    headers = {"X-NCP-METADATA-TOKEN": token.body.decode()}
    assert (token.status, token.headers["content-type"]) == (200, "text/plain")
    assert send(emulator, "GET", ROLE, headers).body == b"fake-role"
    assert send(emulator, "GET", f"{ROLE}/fake-role", headers).json["AccessKeyId"] == "fake-access"


@pytest.mark.parametrize("headers", [{}, {"X-NCP-METADATA-TOKEN": "unknown"}, {"X-NCP-METADATA-TOKEN": "9.9"}])
def test_a_server_of_version_2_refuses_requests_without_its_token(start, send, headers):
    emulator = start(seed(metadata="v2"))
    assert send(emulator, "GET", ROLE, headers).status == 401
    assert send(emulator, "GET", f"{ROLE}/fake-role", headers).status == 401


def test_a_token_holds_as_long_as_was_asked(start, send, clock):
    emulator = start(seed(metadata="v2"))
    headers = {"X-NCP-METADATA-TOKEN": send(emulator, "PUT", TOKEN, TTL).body.decode()}
    clock.now += 299
    assert send(emulator, "GET", ROLE, headers).status == 200
    clock.now += 1
    assert send(emulator, "GET", ROLE, headers).status == 401


@pytest.mark.parametrize("seconds", [None, "0", "-1", "21601", "x", "9" * 5000])
def test_a_token_needs_a_lifetime(start, send, seconds):
    headers = {} if seconds is None else {"X-NCP-METADATA-TOKEN-TTL-SECONDS": seconds}
    assert send(start(seed()), "PUT", TOKEN, headers).status == 400


def test_a_server_of_version_1_has_no_tokens_and_ignores_them(start, send):
    emulator = start(seed(metadata="v1"))
    assert send(emulator, "PUT", TOKEN, TTL).status == 404
    assert send(emulator, "GET", ROLE, {"X-NCP-METADATA-TOKEN": "any"}).status == 200


@pytest.mark.parametrize("target", ["/latest", f"{ROLE}/other-role", "/latest/meta-data/none"])
def test_an_unknown_path_is_404_in_plain_text(start, send, target):
    answer = send(start(seed()), "GET", target)
    assert (answer.status, answer.body) == (404, b"Path Not found.")
    assert answer.headers["content-type"] == "text/plain"


def test_a_server_without_a_role_has_no_metadata(start, send):
    emulator = start({})
    assert send(emulator, "GET", ROLE).status == 404
    assert send(emulator, "PUT", TOKEN, TTL).status == 404


def test_other_methods_are_405(start, send):
    assert send(start(seed()), "POST", TOKEN, TTL).headers["allow"] == "PUT"


def test_the_roles_credentials_sign_requests(start, send, sign):
    emulator = start(seed())
    target = "/secretmanager/api/v1/secrets/one/active"
    assert send(emulator, "GET", target, sign(target)).status == 200
    assert emulator.requests[-1].credential == "fake-role"


def test_a_role_can_be_limited_to_some_secrets(start, send, sign):
    emulator = start(seed(secrets=[]))
    target = "/secretmanager/api/v1/secrets/one/active"
    assert send(emulator, "GET", target, sign(target)).status == 403
