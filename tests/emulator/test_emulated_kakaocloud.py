"""KakaoCloud Secrets Manager: the current generation and the classic one."""

from __future__ import annotations

import json

import pytest

ROOT = "/kakaocloud/api/v1/secrets"
CLASSIC = "/kakaocloud-classic/api/v1/secrets"
AUTH = {"X-Auth-Token": "fake-token"}
LIMITED = {"X-Auth-Token": "fake-limited-token"}
EXACT = '{ "b": 1.0, "a": 1e400,\n "n": 123456789012345678901234567890, "u": "한\\u0041", "b": null }'
SEED = {
    "kakaocloud": {
        "credentials": [
            {"name": "all", "id": "id-1", "secret": "fake", "token": "fake-token"},
            {"name": "limited", "id": "id-2", "secret": "fake", "token": "fake-limited-token", "secrets": ["one"]},
        ],
        "secrets": [
            {
                "id": "one",
                "name": "first",
                "versions": [
                    {"version": 1, "value": {"v": 1}},
                    {"version": 2, "value": {"v": 2}, "status": "Deactivated"},
                    {"version": 3, "value": {"v": 3}},
                    {"version": 4, "value": {"v": 4}, "status": "Destroyed"},
                ],
            },
            {"id": "exact", "value_json": EXACT},
            {"id": "text", "value": 'fake "text"\n'},
            {"id": "pinned", "default_version": 1, "versions": [{"version": v, "value": v} for v in (1, 2)]},
            {"id": "off", "versions": [{"version": 1, "value": True, "status": "Destroyed"}]},
            {"id": "a b/c?d", "value": [1, 2]},
        ],
    }
}


@pytest.fixture
def emulator(start):
    return start(SEED)


@pytest.fixture
def get(emulator, send):
    return lambda target, headers=AUTH: send(emulator, "GET", target, headers)


# --- the current generation ---


def test_the_value_of_the_default_version_is_json_within_the_answer(get):
    answer = get(f"{ROOT}/one/versions/value")
    assert (answer.status, answer.body) == (200, b'{"version":{"secret":{"v":3}}}')
    assert answer.headers["content-type"] == "application/json"


def test_the_version_is_in_the_path(get):
    assert get(f"{ROOT}/one/versions/1/value").json == {"version": {"secret": {"v": 1}}}


def test_a_default_version_can_be_other_than_the_newest(get):
    assert get(f"{ROOT}/pinned/versions/value").json == {"version": {"secret": 1}}


def test_a_value_is_sent_exactly_as_the_seed_wrote_it(get):
    assert get(f"{ROOT}/exact/versions/value").body == f'{{"version":{{"secret":{EXACT}}}}}'.encode()


def test_a_text_is_a_json_string(get):
    assert get(f"{ROOT}/text/versions/value").json == {"version": {"secret": 'fake "text"\n'}}


def test_an_id_is_percent_encoded_in_the_path(get):
    assert get(f"{ROOT}/a%20b%2Fc%3Fd/versions/value").json == {"version": {"secret": [1, 2]}}


@pytest.mark.parametrize("version", ["2", "4"])
def test_a_version_that_is_not_active_cannot_be_read(get, version):
    answer = get(f"{ROOT}/one/versions/{version}/value")
    assert answer.status == 400
    assert answer.json == {"error": {"code": "VersionNotActive", "message": "The version is not active."}}


def test_a_secret_without_an_active_version_cannot_be_read(get):
    assert get(f"{ROOT}/off/versions/value").status == 400


@pytest.mark.parametrize("target", [f"{ROOT}/none/versions/value", f"{ROOT}/one/versions/9/value", f"{ROOT}/none"])
def test_an_unknown_secret_or_version_is_404(get, target):
    answer = get(target)
    assert answer.status == 404
    assert answer.json == {"error": {"code": "NotFound", "message": "The requested resource could not be found."}}


@pytest.mark.parametrize("version", ["0", "-1", "x", "1.0", "9" * 5000])
def test_a_version_that_is_no_positive_number_is_400(get, version):
    assert get(f"{ROOT}/one/versions/{version}/value").json["error"]["code"] == "BadRequest"


def test_the_classic_way_to_ask_for_a_version_is_refused(get):
    assert get(f"{ROOT}/one/versions/value?version=1").status == 400


@pytest.mark.parametrize(
    "headers", [{}, {"X-Auth-Token": "unknown"}, {"X-Auth-Token": ""}, {"X-Auth-Token": "gAAAAAé"}]
)
def test_without_a_token_that_holds_it_is_401(get, headers):
    answer = get(f"{ROOT}/one/versions/value", headers)
    assert answer.status == 401
    assert answer.json["error"].keys() == {"code", "message"}


def test_a_secret_of_others_is_403(get):
    answer = get(f"{ROOT}/exact/versions/value", LIMITED)
    assert answer.status == 403
    assert answer.json["error"]["code"] == "Forbidden"
    assert get(f"{ROOT}/one/versions/value", LIMITED).status == 200


def test_a_secret_is_described_without_its_value(get):
    secret = get(f"{ROOT}/one").json["secret"]
    assert (secret["id"], secret["name"], secret["status"]) == ("one", "first", "Active")
    assert (secret["default_version"], secret["version_count"], secret["is_accessible"]) == (3, 4, True)
    assert get(f"{ROOT}/off").json["secret"]["status"] == "Deactivated"


def test_the_versions_are_listed_with_their_states(get):
    answer = get(f"{ROOT}/one/versions").json
    states = [(version["version"], version["status"]) for version in answer["versions"]]
    assert states == [(1, "Active"), (2, "Deactivated"), (3, "Active"), (4, "Destroyed")]
    assert answer["pagination"] == {"offset": 0, "limit": 10, "total": 4}


def test_ids_of_secrets_of_others_are_masked_in_the_list(get):
    ids = [secret["id"] for secret in get(ROOT, LIMITED).json["secrets"]]
    assert ids == ["one", "*****", "****", "******", "***", "*******"]


def test_the_list_can_be_filtered(get):
    assert [secret["id"] for secret in get(f"{ROOT}?name=first").json["secrets"]] == ["one"]
    assert [secret["id"] for secret in get(f"{ROOT}?status=Deactivated").json["secrets"]] == ["off"]
    assert get(f"{ROOT}?name=first&default_version=1").json["pagination"]["total"] == 0


def test_a_page_holds_ten_unless_asked_otherwise(start, send):
    secrets = [{"id": f"id-{n}", "value": n} for n in range(11)]
    emulator = start({"kakaocloud": SEED["kakaocloud"] | {"secrets": [*secrets, {"id": "one", "value": 1}]}})
    first = send(emulator, "GET", ROOT, AUTH).json
    second = send(emulator, "GET", f"{ROOT}?offset=10&limit=5", AUTH).json
    assert [secret["id"] for secret in first["secrets"]] == [f"id-{n}" for n in range(10)]
    assert first["pagination"] == {"offset": 0, "limit": 10, "total": 12}
    assert [secret["id"] for secret in second["secrets"]] == ["id-10", "one"]
    assert second["pagination"] == {"offset": 10, "limit": 5, "total": 12}


def test_a_page_holds_a_hundred_at_most(get):
    assert get(f"{ROOT}?limit=1000").json["pagination"]["limit"] == 100


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "limit=0", "limit="])
def test_a_page_that_makes_no_sense_is_400(get, query):
    assert get(f"{ROOT}?{query}").status == 400


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_405(emulator, send, method):
    answer = send(emulator, method, f"{ROOT}/one/versions/value", AUTH)
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert method == "HEAD" or answer.json["error"]["code"] == "MethodNotAllowed"


# --- the classic generation ---


def test_a_classic_value_is_json_in_a_string(get):
    answer = get(f"{CLASSIC}/one/versions/value")
    assert answer.status == 200
    assert answer.json.keys() == {"code", "message", "data", "requestId"}
    assert json.loads(answer.json["data"]) == {"v": 3}


def test_a_classic_version_is_in_the_query(get):
    assert get(f"{CLASSIC}/one/versions/value?version=1").json["data"] == '{"v":1}'


def test_a_classic_value_is_the_text_of_the_seed(get):
    assert get(f"{CLASSIC}/exact/versions/value").json["data"] == EXACT
    assert get(f"{CLASSIC}/text/versions/value").json["data"] == 'fake "text"\n'


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/one/versions/value", {}, 401),
        ("/text/versions/value", LIMITED, 403),
        ("/none/versions/value", AUTH, 404),
        ("/one/versions/value?version=9", AUTH, 404),
        ("/one/versions/value?version=2", AUTH, 400),
        ("/one/versions/value?version=x", AUTH, 400),
        ("/one/versions/1/value", AUTH, 404),
    ],
)
def test_a_classic_refusal_has_the_shape_of_a_classic_answer(get, target, headers, status):
    answer = get(CLASSIC + target, headers)
    assert answer.status == status
    assert answer.json.keys() == {"code", "message", "requestId"}


def test_a_text_that_is_half_a_surrogate_pair_stays_an_escape(start, send):
    emulator = start({"kakaocloud": SEED["kakaocloud"] | {"secrets": [{"id": "one", "value_json": '"\\ud800"'}]}})
    assert send(emulator, "GET", f"{ROOT}/one/versions/value", AUTH).body == b'{"version":{"secret":"\\ud800"}}'
    assert b'"data":"\\ud800"' in send(emulator, "GET", f"{CLASSIC}/one/versions/value", AUTH).body
