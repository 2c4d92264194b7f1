"""NAVER Cloud Secret Manager: the signature, the stages, the hosts."""

from __future__ import annotations

import json

import pytest

from envinject.emulator.ncloud import signature

ROOT = "/secretmanager/api/v1/secrets"
RAW = '{ "b": 1.0,\n "a": "한" }'
INVALID = {
    "error": {
        "errorCode": "200",
        "message": "Authentication Failed",
        "details": "Invalid authentication information.",
    }
}
SEED = {
    "ncloud": {
        "credentials": [
            {"name": "all", "access_key": "fake-access", "secret_key": "fake-secret"},
            {"name": "limited", "access_key": "fake-limited", "secret_key": "fake-secret", "secrets": ["one"]},
        ],
        "secrets": [
            {
                "id": "one",
                "name": "my-db",
                "previous": {"password": "fake-old"},
                "active": RAW,
                "rotation_targets": ["password"],
            },
            {"id": "two", "active": {"a": 1}, "pending": ""},
            {"id": "old", "keys": "global", "active": {"host": "older"}},
            {"id": "far", "region": "JP", "active": {"host": "japan"}},
        ],
    }
}


@pytest.fixture
def emulator(start):
    return start(SEED)


@pytest.fixture
def get(emulator, send, sign):
    return lambda target, **how: send(emulator, "GET", target, sign(target, **how))


def with_secret(**secret):
    return {"ncloud": SEED["ncloud"] | {"secrets": [{"id": "one", **secret}]}}


# --- the signature ---


@pytest.mark.parametrize(
    ("target", "timestamp", "access_key", "secret_key", "expected"),
    [
        (
            "/cluster/kubeconfig",
            "1668407407855",
            "access",
            "secret",
            "LTJli9+OKT2KvUXxiKslMfu5FIOmDN83avehOvgUFp0=",
        ),
        (
            "/iam/krs-v1/user?clusterUuid=D11328F1-ECA9-4F1B-BA22-921F61D9C5FF",
            "1668407407855",
            "access",
            "secret",
            "emeahfW4CmzsxIQ5ip0cd9yqERXJ+ZJsRfQpGNmKdXk=",
        ),
        (
            "/secretmanager/api/v1/secrets/11111111-2222-3333-4444-555555555555/values",
            "1700000000000",
            "EXAMPLEACCESSKEY",
            "EXAMPLESECRETKEY",
            "G0qiWhSdHTHLPGd+Gy0H+nzsDWbTScLCjbX5pj7OASE=",
        ),
    ],
)
def test_the_signature_is_that_of_the_vendors_tests(target, timestamp, access_key, secret_key, expected):
    assert signature("GET", target, timestamp, access_key, secret_key) == expected


@pytest.mark.parametrize("missing", ["x-ncp-apigw-timestamp", "x-ncp-iam-access-key", "x-ncp-apigw-signature-v2"])
def test_without_one_of_the_headers_the_information_is_missing(emulator, send, sign, missing):
    headers = {name: value for name, value in sign(ROOT).items() if name != missing}
    answer = send(emulator, "GET", ROOT, headers)
    error = {"errorCode": "200", "message": "Authentication Failed"}
    assert answer.status == 401
    assert answer.json == {"error": error | {"details": "Authentication information are missing."}}


@pytest.mark.parametrize(
    "how",
    [
        {"secret_key": "wrong"},
        {"access_key": "unknown"},
        {"method": "POST"},
        {"target": "/api/v1/secrets/one/active"},
        {"target": f"{ROOT}/one/active?"},
        {"timestamp": "yesterday"},
        {"timestamp": "9" * 400},
    ],
)
def test_a_signature_of_something_else_is_401(emulator, send, sign, how):
    headers = sign(how.pop("target", f"{ROOT}/one/active"), **how)
    answer = send(emulator, "GET", f"{ROOT}/one/active", headers)
    assert (answer.status, answer.json) == (401, INVALID)


def test_the_query_is_signed_too(emulator, send, sign):
    assert send(emulator, "GET", f"{ROOT}?pageNo=1", sign(f"{ROOT}?pageNo=1")).status == 200
    assert send(emulator, "GET", f"{ROOT}?pageNo=1", sign(ROOT)).status == 401


@pytest.mark.parametrize("target", [f"{ROOT}/%6Fne/active", f"{ROOT}/one/active?x=%20#y"])
def test_the_target_is_signed_as_it_was_sent(get, target):
    assert get(target).status == 200


@pytest.mark.parametrize(("off", "status"), [(300, 200), (-300, 200), (301, 401), (-301, 401)])
def test_a_timestamp_may_be_five_minutes_off(get, clock, off, status):
    timestamp = str(int((clock.now + off) * 1000))
    assert get(f"{ROOT}/one/active", timestamp=timestamp).status == status


def test_a_timestamp_in_seconds_is_refused(get, clock):
    assert get(f"{ROOT}/one/active", timestamp=str(int(clock.now))).json == INVALID


# --- values ---


def test_one_stage_is_a_string_of_json(get):
    answer = get(f"{ROOT}/one/active")
    assert answer.status == 200
    assert answer.json == {
        "code": "SUCCESS",
        "data": {
            "decryptedSecretValue": {"value": RAW, "valueStage": "ACTIVE"},
            "rotationTargets": ["password"],
        },
    }


def test_a_table_of_the_seed_is_compact_json(get):
    value = get(f"{ROOT}/one/previous").json["data"]["decryptedSecretValue"]
    assert value == {"value": '{"password":"fake-old"}', "valueStage": "PREVIOUS"}


def test_the_whole_chain_comes_with_the_stages_that_there_are(get):
    data = get(f"{ROOT}/one/values").json["data"]
    assert data["decryptedSecretChain"] == {"previous": '{"password":"fake-old"}', "active": RAW}
    assert data["rotationTargets"] == ["password"]


def test_an_empty_stage_is_an_empty_text(get):
    assert get(f"{ROOT}/two/pending").json["data"]["decryptedSecretValue"]["value"] == ""
    assert get(f"{ROOT}/two/values").json["data"]["decryptedSecretChain"]["pending"] == ""


@pytest.mark.parametrize(
    ("missing_stage", "status", "value", "chain"),
    [
        ("error", 404, None, {}),
        ("absent", 200, {}, {}),
        ("null", 200, {"value": None}, {"previous": None, "active": None}),
        ("empty", 200, {"value": ""}, {"previous": "", "active": ""}),
    ],
)
def test_a_missing_stage_is_answered_as_the_seed_says(start, send, sign, missing_stage, status, value, chain):
    emulator = start(with_secret(pending="{}", missing_stage=missing_stage))
    one = send(emulator, "GET", f"{ROOT}/one/active", sign(f"{ROOT}/one/active"))
    all_of_them = send(emulator, "GET", f"{ROOT}/one/values", sign(f"{ROOT}/one/values"))
    assert one.status == status
    if value is not None:
        assert one.json["data"]["decryptedSecretValue"] == value | {"valueStage": "ACTIVE"}
    assert all_of_them.json["data"]["decryptedSecretChain"] == chain | {"pending": "{}"}


def test_how_a_missing_stage_is_answered_can_be_said_for_all_secrets(start, send, sign):
    emulator = start({"ncloud": with_secret()["ncloud"] | {"missing_stage": "null"}})
    answer = send(emulator, "GET", f"{ROOT}/one/active", sign(f"{ROOT}/one/active"))
    assert answer.json["data"]["decryptedSecretValue"] == {"value": None, "valueStage": "ACTIVE"}


def test_a_stage_that_the_seed_has_as_null_is_null(start, send, sign):
    emulator = start(with_secret(active=None))
    answer = send(emulator, "GET", f"{ROOT}/one/active", sign(f"{ROOT}/one/active"))
    assert answer.json["data"]["decryptedSecretValue"] == {"value": None, "valueStage": "ACTIVE"}


@pytest.mark.parametrize("status", ["ENABLE", "ROTATING"])
def test_a_secret_can_be_read_while_it_rotates(start, send, sign, status):
    emulator = start(with_secret(active="{}", status=status))
    assert send(emulator, "GET", f"{ROOT}/one/active", sign(f"{ROOT}/one/active")).status == 200


@pytest.mark.parametrize("status", ["DISABLE", "REVOKE", "DESTROYED"])
@pytest.mark.parametrize("what", ["active", "values"])
def test_a_suspended_or_deleted_secret_cannot_be_read(start, send, sign, status, what):
    emulator = start(with_secret(active="{}", status=status))
    answer = send(emulator, "GET", f"{ROOT}/one/{what}", sign(f"{ROOT}/one/{what}"))
    assert answer.status == 400
    assert answer.json == {"error": {"errorCode": "INVALID_STATUS", "message": "Invalid status"}}
    assert send(emulator, "GET", f"{ROOT}/one", sign(f"{ROOT}/one")).json["data"]["secretStatus"] == status


# --- what there is ---


def test_a_secret_is_described_without_its_value(get):
    answer = get(f"{ROOT}/one").json
    data = answer["data"]
    assert answer["code"] == "SUCCESS"
    assert (data["secretId"], data["secretName"], data["secretStatus"]) == ("one", "my-db", "ENABLE")
    assert (data["secretType"], data["region"]) == ("BASIC", "KR")
    assert "fake-old" not in json.dumps(answer)


def test_the_list_has_pages_that_count_from_one(start, send, sign):
    secrets = [{"id": f"id-{n}", "active": "{}"} for n in range(11)]
    emulator = start({"ncloud": {"credentials": SEED["ncloud"]["credentials"][:1], "secrets": secrets}})
    first = send(emulator, "GET", ROOT, sign(ROOT)).json["data"]
    second = send(emulator, "GET", f"{ROOT}?pageNo=2", sign(f"{ROOT}?pageNo=2")).json["data"]
    assert (first["totalPageNo"], first["currentPageNo"], first["totalCount"]) == (2, 1, 11)
    assert [secret["secretId"] for secret in first["secretList"]] == [f"id-{n}" for n in range(10)]
    assert second["currentPageNo"] == 2
    assert [secret["secretId"] for secret in second["secretList"]] == ["id-10"]


def test_page_0_is_the_first_as_in_the_vendors_example(get):
    assert get(f"{ROOT}?pageNo=0").json["data"]["currentPageNo"] == 1


def test_a_page_that_makes_no_sense_is_400(get):
    assert get(f"{ROOT}?pageNo=x").json["error"]["errorCode"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("prefix", "known"), [("/secretmanager", ["one", "two"]), ("/ncloud-jp", ["far"]), ("/ncloud-global", ["old"])]
)
def test_each_host_knows_only_its_own_secrets(get, prefix, known):
    root = f"{prefix}/api/v1/secrets"
    assert [secret["secretId"] for secret in get(root).json["data"]["secretList"]] == known
    for id in ("one", "two", "old", "far"):
        assert get(f"{root}/{id}/active").status == (200 if id in known else 404)


# --- refusals ---


def test_an_unknown_secret_is_not_found(get):
    answer = get(f"{ROOT}/none/active")
    assert answer.status == 404
    assert answer.json == {"error": {"errorCode": "NOT_FOUND", "message": "Not found"}}


@pytest.mark.parametrize("path", ["", "/api", "/api/v2/secrets", "/api/v1/secrets/one/active/x"])
def test_an_unknown_path_is_no_url_even_without_a_signature(emulator, send, path):
    answer = send(emulator, "GET", f"/secretmanager{path}")
    error = {"errorCode": "300", "message": "Not Found Exception", "details": "URL not found."}
    assert (answer.status, answer.json) == (404, {"error": error})


@pytest.mark.parametrize("stage", ["ACTIVE", "current"])
def test_an_unknown_stage_is_no_url(get, stage):
    assert get(f"{ROOT}/one/{stage}").json["error"]["errorCode"] == "300"


@pytest.mark.parametrize(
    ("denial", "error"),
    [
        (401, {"errorCode": "210", "message": "Permission Denied"}),
        (403, {"errorCode": "FORBIDDEN", "message": "Forbidden"}),
    ],
)
def test_a_secret_of_others_is_denied_by_the_gateway_or_the_service(start, send, sign, denial, error):
    emulator = start({"ncloud": SEED["ncloud"] | {"denial": denial}})
    target = f"{ROOT}/two/active"
    answer = send(emulator, "GET", target, sign(target, access_key="fake-limited"))
    assert (answer.status, answer.json) == (denial, {"error": error})


def test_other_methods_are_405(emulator, send, sign):
    answer = send(emulator, "PUT", f"{ROOT}/one/values", sign(f"{ROOT}/one/values", method="PUT"))
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert answer.json["error"]["errorCode"] == "100"


@pytest.mark.parametrize("target", [f"{ROOT}/one/active", f"{ROOT}/none", f"{ROOT}/one/active/x"])
def test_every_answer_has_a_trace_id_of_its_own(get, target):
    first, second = get(target).headers["x-ncp-trace-id"], get(target).headers["x-ncp-trace-id"]
    assert first != second
