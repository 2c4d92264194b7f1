"""NAVER Cloud Secret Manager: signatures, hosts, stages, and where keys come from."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from loopback import Proxy, answer, hang

from envinject.emulator.ncloud import _ERRORS as EMULATED_ERRORS
from envinject.errors import Denied, Failures, NotFound, StoreError, Unavailable
from envinject.providers.ncloud import Keys, sign
from envinject.secret import Secret

CANARY = "c4n4ry"
KEYS = {"NCLOUD_ACCESS_KEY_ID": "access", "NCLOUD_SECRET_ACCESS_KEY": "secret"}
APP = {"name": "app", "access_key": "access", "secret_key": "secret"}
ISOLATED, JAPAN, GLOBAL = "ocapi-kr.ncloud.com", "ocapi-jp.ncloud.com", "secretmanager.apigw.ntruss.com"
ACTIVE = "/api/v1/secrets/a/active"


def seed(*secrets: dict, **more: object) -> dict:
    """A cloud with one key pair and these secrets."""
    return {"ncloud": {"credentials": [APP], "secrets": list(secrets), **more}}


SIMPLE = seed({"id": "a", "active": "v"})


@pytest.fixture
def naver(read):
    """Read secrets of an emulator or a server: `naver(server, {"A": "naver://a"}, KEYS, setting=...)`."""

    def naver(server, secrets, environ=KEYS, *, service="ncloud", options=None, **settings):
        endpoint = server.endpoints[service] if hasattr(server, "endpoints") else server.url
        return read(secrets, {"naver": {"type": "ncloud", "endpoint": endpoint, **settings}}, environ, options=options)

    return naver


@pytest.fixture
def one(naver):
    """What comes of reading the secret `a`."""

    def one(server, environ=KEYS, *, ref="naver://a", **how):
        return naver(server, {"A": ref}, environ, **how)["A"]

    return one


def stage(value: object, name: object = "ACTIVE", code: str = "SUCCESS") -> bytes:
    """An answer with the value of one stage."""
    found = {"decryptedSecretValue": {"value": value, "valueStage": name}, "rotationTargets": []}
    return answer(200, json.dumps({"code": code, "data": found}).encode())


def error(status: int, code: object, **more: str) -> bytes:
    """A refusal, as the gateway and the service write it."""
    body = {"error": {"errorCode": code, "message": CANARY, "details": CANARY, **more}}
    return answer(status, json.dumps(body).encode(), {"x-ncp-trace-id": "trace-1"})


# Signatures

VECTORS = [
    ("/cluster/kubeconfig", 1668407407855, "access", "secret", "LTJli9+OKT2KvUXxiKslMfu5FIOmDN83avehOvgUFp0="),
    (
        "/iam/krs-v1/user?clusterUuid=D11328F1-ECA9-4F1B-BA22-921F61D9C5FF",
        1668407407855,
        "access",
        "secret",
        "emeahfW4CmzsxIQ5ip0cd9yqERXJ+ZJsRfQpGNmKdXk=",
    ),
    (
        "/api/v1/secrets/11111111-2222-3333-4444-555555555555/active",
        1700000000000,
        "EXAMPLEACCESSKEY",
        "EXAMPLESECRETKEY",
        "5+6uTX21PMWTtsrYtcMeeF2QrqNqNy049CodGPSKojQ=",
    ),
    (
        "/secretmanager/api/v1/secrets/11111111-2222-3333-4444-555555555555/values",
        1700000000000,
        "EXAMPLEACCESSKEY",
        "EXAMPLESECRETKEY",
        "G0qiWhSdHTHLPGd+Gy0H+nzsDWbTScLCjbX5pj7OASE=",
    ),
    (
        "/api/v1/secrets?pageNo=2",
        1700000000000,
        "EXAMPLEACCESSKEY",
        "EXAMPLESECRETKEY",
        "LYKcfEpJR4Y1f5T2lovVqyV65D3vVL2XF5S+u9xi+4w=",
    ),
]


@pytest.mark.parametrize(("target", "timestamp", "access", "secret", "signature"), VECTORS)
def test_the_published_signatures_come_out(target, timestamp, access, secret, signature):
    keys = Keys(Secret(access.encode()), Secret(secret.encode()), "here")
    assert sign("GET", target, timestamp, keys) == signature


def is_signed(request, secret_key: str = "secret") -> bool:
    """Whether a request's signature is that of the target that was received, computed without our own code."""
    timestamp, access = request.headers["x-ncp-apigw-timestamp"], request.headers["x-ncp-iam-access-key"]
    message = f"{request.method} {request.target}\n{timestamp}\n{access}".encode()
    expected = base64.b64encode(hmac.new(secret_key.encode(), message, hashlib.sha256).digest()).decode()
    return request.headers["x-ncp-apigw-signature-v2"] == expected


@pytest.mark.parametrize("prefix", ["", "/secretmanager", "/a~b/c.d", "/secretmanager/api/v1", "/secretmanager/"])
def test_the_target_is_signed_exactly_as_it_is_sent(one, store, prefix):
    server = store(otherwise=stage("v"))
    assert one(server, endpoint=server.url + prefix) == b"v"
    (request,) = server.received
    assert request.target == f"{prefix.rstrip('/').removesuffix('/api/v1')}/api/v1/secrets/a/active"
    assert is_signed(request)
    assert abs(int(request.headers["x-ncp-apigw-timestamp"]) / 1000 - time.time()) < 30


def test_every_attempt_is_signed_anew(one, store):
    def busy(connection, request):
        while int(time.time() * 1000) <= int(request.headers["x-ncp-apigw-timestamp"]):
            pass  # until a signature of now cannot be the same
        connection.sendall(answer(503))

    server = store({ACTIVE: [busy, busy, stage("v")]})
    assert one(server) == b"v"
    assert all(is_signed(request) for request in server.received)
    for header in ("x-ncp-apigw-timestamp", "x-ncp-apigw-signature-v2"):
        assert len({request.headers[header] for request in server.received}) == 3


def test_the_secret_key_is_never_sent(one, store):
    server = store(otherwise=stage("v"))
    one(server, {"NCLOUD_ACCESS_KEY_ID": "access", "NCLOUD_SECRET_ACCESS_KEY": CANARY})
    assert CANARY not in repr(server.received)


def test_the_emulator_takes_our_signatures_and_no_others(one, emulator):
    cloud = emulator(SIMPLE)
    assert one(cloud) == b"v"
    assert isinstance(one(cloud, {**KEYS, "NCLOUD_SECRET_ACCESS_KEY": "wrong"}), Denied)


# Hosts


def names(*hosts: str) -> dict:
    """A cloud with a secret on each of some hosts, named after it."""
    where = {ISOLATED: {}, JAPAN: {"region": "JP"}, GLOBAL: {"keys": "global"}}
    return seed(*({"id": host.split(".")[0], "active": host, **where[host]} for host in hosts))


EVERYWHERE = names(ISOLATED, JAPAN, GLOBAL)


def target(id: str, host: str) -> tuple[str, str]:
    prefix = "" if host == GLOBAL else "/secretmanager"
    return host, f"{prefix}/api/v1/secrets/{id}/active"


@pytest.mark.parametrize(
    ("settings", "id", "asked"),
    [
        ({}, "ocapi-kr", [ISOLATED]),
        ({}, "secretmanager", [ISOLATED, GLOBAL]),
        ({"keys": "auto"}, "secretmanager", [ISOLATED, GLOBAL]),
        ({"keys": "isolated"}, "ocapi-kr", [ISOLATED]),
        ({"keys": "global"}, "secretmanager", [GLOBAL]),
        ({"region": "KR"}, "ocapi-kr", [ISOLATED]),
        ({"region": "JP"}, "ocapi-jp", [JAPAN]),
    ],
)
def test_a_secret_is_found_on_its_host(read, cloud, settings, id, asked):
    real = cloud(EVERYWHERE)
    found = read({"A": f"ncloud://{id}"}, {"ncloud": settings}, {**real.environ, **KEYS})
    assert found == {"A": asked[-1].encode()}
    assert real.asked == [target(id, host) for host in asked]
    assert real.proxy.targets == [f"{host}:443" for host in asked]


@pytest.mark.parametrize(
    ("settings", "asked", "others"),
    [
        ({}, [ISOLATED, GLOBAL], []),
        ({"keys": "isolated"}, [ISOLATED], [f'{GLOBAL} (keys = "global")']),
        ({"keys": "global"}, [GLOBAL], [f'{ISOLATED} (keys = "isolated")']),
        ({"region": "JP"}, [JAPAN], []),
    ],
)
def test_a_secret_that_is_not_found_is_told_with_the_hosts_that_were_asked_and_the_other(
    read, cloud, settings, asked, others
):
    real = cloud(EVERYWHERE)
    problem = read({"A": "ncloud://missing"}, {"ncloud": settings}, {**real.environ, **KEYS})["A"]
    assert isinstance(problem, NotFound)
    told = f"asked {' and '.join(asked)}" + "".join(f"; {other} may know it" for other in others)
    assert told in problem.hint
    assert problem.hint.endswith(told)
    assert [host for host, _ in real.asked] == asked


def test_japan_has_no_global_keys(read):
    with pytest.raises(Failures) as caught:
        read({"A": "ncloud://a"}, {"ncloud": {"region": "JP", "keys": "global"}}, KEYS)
    assert caught.value.exit_code == 78


def test_an_endpoint_of_ones_own_is_the_only_one(naver, emulator):
    cloud = emulator(EVERYWHERE)
    problem = naver(cloud, {"A": "naver://secretmanager"})["A"]
    assert isinstance(problem, NotFound)
    assert GLOBAL in problem.hint
    assert Counter(request.service for request in cloud.requests) == {"ncloud": 1}


def test_the_second_host_has_the_last_word(read, cloud):
    document = names(GLOBAL)
    document["ncloud"]["credentials"] = [{**APP, "secrets": []}]
    real = cloud(document)
    problem = read({"A": "ncloud://secretmanager"}, {}, {**real.environ, **KEYS})["A"]
    assert isinstance(problem, Denied)


# Stages


CHAIN = seed({"id": "a", "previous": "old", "active": "now", "pending": "next"})


@pytest.mark.parametrize(("query", "value"), [("", b"now"), ("?stage=active", b"now"), ("?stage=previous", b"old")])
def test_a_stage_is_asked_for_by_its_name_and_active_when_none_is_given(one, emulator, query, value):
    assert one(emulator(CHAIN), ref=f"naver://a{query}") == value


@pytest.mark.parametrize(
    "refs",
    [
        ["naver://a?stage=previous", "naver://a?stage=active"],
        ["naver://a", "naver://a?stage=pending", "naver://a?stage=previous"],
    ],
)
def test_several_stages_of_a_secret_are_one_request(naver, emulator, refs):
    cloud = emulator(CHAIN)
    found = naver(cloud, {f"S{number}": ref for number, ref in enumerate(refs)})
    values = {"previous": b"old", "active": b"now", "pending": b"next", "naver://a": b"now"}
    assert list(found.values()) == [values[ref.rpartition("=")[2]] for ref in refs]
    assert [request.target for request in cloud.requests] == ["/secretmanager/api/v1/secrets/a/values"]


def test_the_same_stage_written_in_two_ways_is_one(naver, emulator):
    cloud = emulator(CHAIN)
    naver(cloud, {"A": "naver://a", "B": "naver://a?stage=active", "C": "naver://a#key"})
    assert [request.target for request in cloud.requests] == [f"/secretmanager{ACTIVE}"]


def test_each_secret_is_asked_for_by_itself(naver, emulator):
    cloud = emulator(seed({"id": "a", "active": "1"}, {"id": "b", "active": "2"}))
    assert naver(cloud, {"A": "naver://a", "B": "naver://b"}) == {"A": b"1", "B": b"2"}
    assert len(cloud.requests) == 2


@pytest.mark.parametrize("missing", ["error", "absent", "null", "empty"])
@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
def test_a_stage_without_a_value_is_not_found_however_the_store_says_so(naver, emulator, missing, together):
    cloud = emulator(seed({"id": "a", "active": "now", "missing_stage": missing}))
    secrets = {"OLD": "naver://a?stage=previous", **({"NOW": "naver://a"} if together else {})}
    found = naver(cloud, secrets)
    assert isinstance(found["OLD"], NotFound)
    assert found.get("NOW", b"now") == b"now"
    if missing != "error" or together:
        assert "'previous'" in found["OLD"].what


@pytest.mark.parametrize("value", [None, {}, {"value": None}, {"value": ""}, {"value": None, "valueStage": None}])
def test_an_answer_with_nothing_in_it_is_not_found(one, store, value):
    body = json.dumps({"code": "SUCCESS", "data": {"decryptedSecretValue": value}}).encode()
    assert isinstance(one(store({ACTIVE: [answer(200, body)]})), NotFound)


@pytest.mark.parametrize("name", ["ACTIVE", "active", "Active"])
def test_the_case_of_a_stage_does_not_matter(one, store, name):
    assert one(store({ACTIVE: [stage("v", name)]})) == b"v"


OTHER_STAGES = ["PENDING", "PREVIOUS", "", 1, ["ACTIVE"], CANARY]


@pytest.mark.parametrize(
    ("value", "name"), [*((value, name) for value in ("v", "") for name in OTHER_STAGES), ("v", None)]
)
def test_a_value_of_another_stage_is_refused(naver, store, name, value):
    found = naver(store({ACTIVE: [stage(value, name)]}), {"A": {"provider": "naver", "id": "a", "default": "d"}})
    assert isinstance(found["A"], StoreError)
    assert "another stage" in found["A"].what


@pytest.mark.parametrize("name", ["ACTIVE", "current", "latest", "1"])
def test_a_stage_that_there_is_not_is_refused_with_those_there_are(naver, store, name):
    with pytest.raises(Failures) as caught:
        naver(store(), {"A": f"naver://a?stage={name}"})
    (problem,) = caught.value.errors
    assert "previous, active or pending" in problem.hint


def test_a_version_is_refused_with_what_there_is_instead(naver, store):
    with pytest.raises(Failures) as caught:
        naver(store(), {"A": "naver://a?version=3"})
    (problem,) = caught.value.errors
    assert problem.what == "ncloud has no version"
    assert "stage (previous, active or pending)" in problem.hint


# Values


@pytest.mark.parametrize(
    "text",
    [
        '{"user":"app","password":"s3cret"}',
        '{ "n" : 1.0, "big": 1e400 }',
        "not JSON at all\n",
        "  \ttrimmed by nobody \n",
        "é😀",
        "null",
        "x" * 10_000,
    ],
)
def test_a_value_is_the_text_that_was_stored_byte_for_byte(naver, emulator, text):
    cloud = emulator(seed({"id": "a", "active": text, "previous": text}))
    assert naver(cloud, {"A": "naver://a"})["A"] == text.encode()
    both = naver(cloud, {"A": "naver://a", "B": "naver://a?stage=previous"})
    assert set(both.values()) == {text.encode()}


@pytest.mark.parametrize("value", [1, 1.5, True, ["v"], {"v": 1}])
def test_a_value_that_is_no_text_makes_no_sense(one, store, value):
    problem = one(store({ACTIVE: [stage(value)]}))
    assert isinstance(problem, StoreError)
    assert "not text" in problem.what


# Answers


@pytest.mark.parametrize("code", ["FAIL", "success", "", None, 0, True])
def test_an_answer_that_does_not_say_success_is_none(one, store, code):
    problem = one(store({ACTIVE: [stage(CANARY, code=code)]}))
    assert isinstance(problem, StoreError)
    assert "SUCCESS" in problem.what
    assert CANARY not in problem.what + problem.hint


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>" + CANARY.encode(),
        b"{}",
        b"[]",
        b"null",
        b'"SUCCESS"',
        b'{"code":"SUCCESS"}',
        b'{"code":"SUCCESS","data":null}',
        b'{"code":"SUCCESS","data":"c4n4ry"}',
        b'{"code":"SUCCESS","data":{}}',
        b'{"code":"SUCCESS","data":{"decryptedSecretValue":"c4n4ry"}}',
        b'{"code":"SUCCESS","data":{"decryptedSecretValue":["c4n4ry"]}}',
        b'{"code":"SUCCESS","code":"SUCCESS","data":{}}',
    ],
)
@pytest.mark.parametrize("refs", [["naver://a"], ["naver://a", "naver://a?stage=pending"]], ids=["stage", "values"])
def test_an_answer_of_a_wrong_shape_is_69_and_not_quoted(naver, store, body, refs):
    server = store(otherwise=answer(200, body))
    for problem in naver(server, {f"S{number}": ref for number, ref in enumerate(refs)}).values():
        assert isinstance(problem, StoreError)
        assert CANARY not in problem.what + problem.hint
    assert len(server.received) == 1


def test_an_answer_to_another_question_makes_no_sense(naver, store):
    body = b'{"code":"SUCCESS","data":{"decryptedSecretChain":{"active":"v"}}}'
    assert isinstance(naver(store(otherwise=answer(200, body)), {"A": "naver://a"})["A"], StoreError)
    found = naver(store(otherwise=stage("v")), {"A": "naver://a", "B": "naver://a?stage=pending"})
    assert {type(problem) for problem in found.values()} == {StoreError}


CODES = {400: 69, 401: 77, 403: 77, 404: 66, 413: 69, 422: 69, 500: 75, 503: 75, 504: 75}
FINAL = {code: status for code, (status, _) in EMULATED_ERRORS.items() if status not in (429, 500, 503, 504)}
AS_NUMBERS = {int(code): status for code, status in FINAL.items() if code.isdigit()}


@pytest.mark.parametrize(("code", "status"), (FINAL | AS_NUMBERS).items())
def test_each_documented_error_has_its_exit_code_and_is_final(one, store, code, status):
    server = store({ACTIVE: [error(status, code)]})
    problem = one(server)
    assert problem.exit_code == (69 if str(code) == "300" else CODES[status])
    assert f"code {code}" in problem.what
    assert CANARY not in problem.what + problem.hint
    assert len(server.received) == 1


@pytest.mark.parametrize("code", [code for code, (status, _) in EMULATED_ERRORS.items() if status in (500, 503, 504)])
def test_an_error_of_the_service_is_tried_again(one, store, code):
    server = store({ACTIVE: [error(EMULATED_ERRORS[code][0], code), stage("v")]})
    assert one(server) == b"v"
    assert len(server.received) == 2


@pytest.mark.parametrize("code", ["410", 410, "420", 420, "", None])
def test_a_throttled_request_is_sent_again(one, store, code):
    server = store({ACTIVE: [error(429, code), stage("v")]})
    assert one(server) == b"v"


@pytest.mark.parametrize("code", ["400", 400])
def test_a_quota_that_is_used_up_is_final(one, store, code):
    server = store({ACTIVE: [error(429, code), stage("v")]})
    problem = one(server)
    assert isinstance(problem, Unavailable)
    assert "code 400" in problem.what
    assert len(server.received) == 1


def test_code_400_means_a_quota_with_429_alone(one, store):
    assert one(store({ACTIVE: [error(503, "400"), stage("v")]})) == b"v"


def test_the_trace_id_is_told(one, store):
    assert "request id trace-1" in one(store({ACTIVE: [error(403, "FORBIDDEN")]})).what


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"error":null}', b'{"error":"c4n4ry"}', b"c4n4ry", b"<html>"])
@pytest.mark.parametrize(("status", "code"), [(401, 77), (403, 77), (500, 75)])
def test_an_error_without_a_body_that_says_something_is_told_by_its_status(one, store, body, status, code):
    problem = one(store({ACTIVE: [answer(status, body)]}), options={"timeout": "300ms"})
    assert problem.exit_code == code
    assert CANARY not in problem.what + problem.hint


def test_a_404_without_a_body_is_a_secret_that_is_not_there(one, store):
    assert isinstance(one(store({ACTIVE: [answer(404)]})), NotFound)


def test_an_endpoint_without_its_path_is_no_secret_that_is_missing(read, cloud):
    real = cloud(SIMPLE)
    secrets = {"A": {"provider": "ncloud", "id": "a", "default": "d"}}
    problem = read(secrets, {"ncloud": {"endpoint": f"https://{ISOLATED}"}}, {**real.environ, **KEYS})["A"]
    assert isinstance(problem, StoreError)
    assert "/secretmanager" in problem.hint


@pytest.mark.parametrize("status", ["DISABLE", "REVOKE", "DESTROYED"])
def test_a_secret_that_cannot_be_read_any_more_is_told_to_be_looked_at(one, emulator, status):
    problem = one(emulator(seed({"id": "a", "active": "v", "status": status})))
    assert isinstance(problem, StoreError)
    assert "INVALID_STATUS" in problem.what
    assert "disabled" in problem.hint


def test_a_secret_that_is_being_rotated_can_be_read(one, emulator):
    assert one(emulator(seed({"id": "a", "active": "v", "status": "ROTATING"}))) == b"v"


@pytest.mark.parametrize("denial", [401, 403])
def test_a_secret_of_others_is_denied(one, emulator, denial):
    document = seed({"id": "a", "active": "v"}, denial=denial)
    document["ncloud"]["credentials"] = [{**APP, "secrets": []}]
    problem = one(emulator(document))
    assert isinstance(problem, Denied)
    if denial == 401:
        assert "what the keys may do" in problem.hint


@pytest.mark.parametrize("offset", [-3600, 3600])
def test_a_clock_that_is_wrong_is_told(one, emulator, offset):
    problem = one(emulator(SIMPLE, clock=lambda: time.time() - offset))
    assert isinstance(problem, Denied)
    assert "NCLOUD_ACCESS_KEY_ID" in problem.hint
    words = "ahead of" if offset > 0 else "behind"
    assert f"s {words} the store's: set it" in problem.hint


def test_an_id_outside_of_the_grammar_is_refused_before_anything_is_sent(naver, store, refused_id):
    server = store()
    with pytest.raises(Failures) as caught:
        naver(server, {"A": "naver://fine", "B": {"provider": "naver", "id": refused_id}})
    assert caught.value.exit_code == 78
    assert server.connections == 0


# Credentials: variables and files


@pytest.mark.parametrize("access", ["NCLOUD_ACCESS_KEY_ID", "NCLOUD_ACCESS_KEY"])
@pytest.mark.parametrize("secret", ["NCLOUD_SECRET_ACCESS_KEY", "NCLOUD_SECRET_KEY"])
def test_keys_come_from_each_of_the_vendors_variables(one, emulator, access, secret):
    assert one(emulator(SIMPLE), {access: "access", secret: "secret"}) == b"v"


def test_the_longer_names_go_over_the_shorter_ones(one, emulator):
    assert one(emulator(SIMPLE), {**KEYS, "NCLOUD_ACCESS_KEY": "x", "NCLOUD_SECRET_KEY": "x"}) == b"v"


def test_keys_come_from_variables_and_files_that_the_manifest_names(one, emulator, tmp_path):
    (tmp_path / "secret").write_text("secret\n")
    cloud = emulator(SIMPLE)
    assert one(cloud, {"MINE": "access", "THINE": "secret"}, access_key_env="MINE", secret_key_env="THINE") == b"v"
    assert one(cloud, {"MINE": "access"}, access_key_env="MINE", secret_key_file="secret") == b"v"


@pytest.mark.parametrize("name", [*KEYS, "NCLOUD_ACCESS_KEY", "NCLOUD_SECRET_KEY"])
@pytest.mark.parametrize("text", [f"{CANARY}\n", f"{CANARY}\r\nX-Evil: 1", f" {CANARY}"])
def test_a_variable_that_holds_no_key_is_refused_unechoed(one, store, name, text):
    server = store()
    others = {"NCLOUD_ACCESS_KEY": "access", "NCLOUD_SECRET_KEY": "secret"}
    problem = one(server, {**others, name: text})
    assert isinstance(problem, Denied)
    assert name in problem.what
    assert CANARY not in problem.what + problem.hint
    assert server.received == []


@pytest.mark.parametrize("name", KEYS)
def test_half_a_key_pair_is_told(one, store, name):
    problem = one(store(), {name: "x"})
    (other,) = KEYS.keys() - {name}
    assert isinstance(problem, Denied)
    assert "half" in problem.what
    assert other in problem.hint


def test_without_keys_nothing_is_sent_and_every_place_for_them_is_told(one, store):
    server = store()
    problem = one(server, {})
    assert isinstance(problem, Denied)
    for place in (*KEYS, "NCLOUD_ACCESS_KEY", "NCLOUD_SECRET_KEY", "~/.ncloud/configure", "server_role"):
        assert place in problem.hint
    assert server.received == []


def test_without_a_home_there_is_no_configure_file(one, store):
    assert isinstance(one(store(), {"HOME": ""}), Denied)


@pytest.fixture
def configure():
    """Write ~/.ncloud/configure."""

    def configure(text: str | bytes) -> Path:
        path = Path.home() / ".ncloud" / "configure"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return configure


def pair(access: str = "access", secret: str = "secret") -> str:
    return f"ncloud_access_key_id = {access}\nncloud_secret_access_key = {secret}\n"


OTHERS = pair("other", "other")


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        (pair(), None),
        (pair().replace(" = ", "="), None),
        (pair().replace("\n", "\r\n"), None),
        (f"\n# a comment = x\n; another = y\n  {pair()}ncloud_api_url = https://ncloud.apigw.ntruss.com\n", None),
        (f"[DEFAULT]\n{pair()}", None),
        (f"[default]\n{pair()}", None),
        (f"[DEFAULT]\n{pair()}\n[project]\n{OTHERS}", None),
        (f"[project]\n{OTHERS}\n[DEFAULT]\n{pair()}", None),
        (f"{pair()}[project]\n{OTHERS}", None),
        (f"[DEFAULT]\n{OTHERS}\n[project]\n{pair()}", "project"),
        (f"[ project ]\n{pair()}[last]\n{OTHERS}", "project"),
        (f"{OTHERS}[project]\n{pair()}", "project"),
        (f"[DEFAULT]\n{pair()}[project]\n{OTHERS}", "DEFAULT"),
        ("\ufeff[project]\n" + pair(), "project"),
    ],
)
def test_the_vendors_configure_file_is_read_in_all_its_forms(one, emulator, configure, text, profile):
    configure(text)
    assert one(emulator(SIMPLE), {}, **({"profile": profile} if profile else {})) == b"v"


def test_a_key_in_the_configure_file_may_hold_an_equals_sign(one, emulator, configure):
    configure(pair(secret="se=cr=et=="))
    document = SIMPLE | {"ncloud": SIMPLE["ncloud"] | {"credentials": [{**APP, "secret_key": "se=cr=et=="}]}}
    assert one(emulator(document), {}) == b"v"


def test_variables_go_over_the_configure_file(one, emulator, configure):
    configure(OTHERS)
    assert one(emulator(SIMPLE)) == b"v"


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("", None),
        (f"[project]\n{pair()}", None),
        (f"[DEFAULT]\n{pair()}", "project"),
        ("ncloud_access_key_id = access\n", None),
        (pair("", ""), None),
        (b"\xff\xfe\x00", None),
    ],
)
def test_a_configure_file_without_the_keys_is_none(one, store, configure, text, profile):
    configure(text)
    problem = one(store(), {}, **({"profile": profile} if profile else {}))
    assert isinstance(problem, Denied)
    if profile:
        assert f"[{profile}]" in problem.hint


def test_a_configure_file_that_holds_no_key_is_refused_unechoed(one, store, configure):
    configure(pair(f"{CANARY}\x7f"))
    problem = one(store(), {})
    assert isinstance(problem, Denied)
    assert CANARY not in problem.what + problem.hint


def test_a_configure_file_that_is_none_is_no_secret_that_is_missing(one, store, configure):
    path = configure("")
    path.unlink()
    path.mkdir()
    assert not isinstance(one(store(), {}), NotFound)


def test_refused_keys_are_told_with_the_place_they_came_from(one, emulator, configure):
    configure(OTHERS)
    assert "~/.ncloud/configure" in one(emulator(SIMPLE), {}).hint


# Credentials: Server Role


def role(metadata: str = "any", **more: object) -> dict:
    """A cloud whose server has a role."""
    server_role = {"id": "my-role_1", "access_key": "ncp_iam_x", "secret_key": "of-the-role", "metadata": metadata}
    return seed({"id": "a", "active": "v"}, {"id": "b", "active": "w"}, server_role=server_role, **more)


def by_metadata(cloud) -> dict[str, str]:
    return {"NCLOUD_METADATA_ENDPOINT": cloud.endpoints["metadata"]}


def asked(cloud) -> list[str]:
    return [f"{request.method} {request.target}" for request in cloud.requests if request.service == "metadata"]


ROLES = "/latest/meta-data/iam/security-credentials"


@pytest.mark.parametrize("metadata", ["any", "v1", "v2"])
@pytest.mark.parametrize("variable", ["NCLOUD_METADATA_API_ENDPOINT", "NCLOUD_METADATA_ENDPOINT"])
def test_a_servers_role_gives_keys_once_by_version_2_then_1(naver, emulator, metadata, variable):
    cloud = emulator(role(metadata))
    environ = {variable: cloud.endpoints["metadata"]}
    assert naver(cloud, {"A": "naver://a", "B": "naver://b"}, environ, server_role=True) == {"A": b"v", "B": b"w"}
    assert asked(cloud) == ["PUT /latest/api/token", f"GET {ROLES}", f"GET {ROLES}/my-role_1"]


def test_a_servers_role_is_asked_for_only_when_it_is_wanted(one, emulator):
    cloud = emulator(role())
    for settings in ({}, {"server_role": False}):
        assert isinstance(one(cloud, by_metadata(cloud), **settings), Denied)
    assert cloud.requests == []


def test_a_servers_role_is_asked_for_only_when_there_are_no_other_keys(one, emulator, configure):
    cloud = emulator(role())
    assert one(cloud, {**KEYS, **by_metadata(cloud)}, server_role=True) == b"v"
    configure(pair())
    assert one(cloud, by_metadata(cloud), server_role=True) == b"v"
    assert asked(cloud) == []


def test_the_metadata_is_never_asked_through_a_proxy(one, emulator):
    cloud = emulator(role())
    with Proxy(1) as proxy:
        variables = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
        environ = {**dict.fromkeys(variables, proxy.url), **by_metadata(cloud)}
        assert one(cloud, environ, server_role=True, proxy=proxy.url) == b"v"
        assert proxy.connections == 0


def test_a_server_without_a_role_is_told(one, emulator):
    cloud = emulator(SIMPLE)
    problem = one(cloud, by_metadata(cloud), server_role=True)
    assert isinstance(problem, Denied)
    assert "has no role" in problem.what


@pytest.mark.parametrize(
    "script",
    [
        {ROLES: [answer(500)]},
        {ROLES: [answer(200, b"")]},
        {ROLES: [answer(200, b"../x")]},
        {ROLES: [answer(200, b"a\r\nb")]},
        {ROLES: [answer(200, b"<html>")]},
        {ROLES: [answer(200, b"r")], f"{ROLES}/r": [answer(404)]},
        {ROLES: [answer(200, b"r")], f"{ROLES}/r": [answer(200, b"c4n4ry")]},
        {ROLES: [answer(200, b"r")], f"{ROLES}/r": [answer(200, b'{"AccessKeyId":"x","SecretAccessKey":""}')]},
        {ROLES: [answer(200, b"r")], f"{ROLES}/r": [answer(200, b'{"AccessKeyId":"c4n4ry\\n","SecretAccessKey":"x"}')]},
        {ROLES: [answer(200, b"r")], f"{ROLES}/r": [answer(200, b"x" * (2 << 20))]},
    ],
)
def test_metadata_that_makes_no_sense_is_77_and_not_quoted(one, store, script):
    metadata, server = store(script), store()
    problem = one(server, {"NCLOUD_METADATA_ENDPOINT": metadata.url}, server_role=True)
    assert isinstance(problem, Denied)
    assert CANARY not in problem.what + problem.hint
    assert server.received == []


def test_a_metadata_token_that_is_none_is_not_sent_on(one, store):
    script = {"/latest/api/token": [answer(200, b"a\r\nX-Evil: 1")], ROLES: [answer(404)]}
    metadata = store(script)
    one(store(), {"NCLOUD_METADATA_ENDPOINT": metadata.url}, server_role=True)
    assert "x-ncp-metadata-token" not in metadata.received[1].headers


@pytest.mark.slow
def test_metadata_that_does_not_answer_is_given_up_after_two_seconds(one, store):
    metadata = store(otherwise=hang)
    began = time.monotonic()
    problem = one(store(), {"NCLOUD_METADATA_ENDPOINT": metadata.url}, server_role=True)
    assert isinstance(problem, Denied)
    assert "cannot be reached" in problem.what
    assert 2 <= time.monotonic() - began < 6
    assert len(metadata.received) == 1


@pytest.mark.parametrize("endpoint", ["http://evil.example.com", "http://169.254.169.253", "https://example.com", "x"])
def test_the_metadata_are_this_servers_own(one, store, endpoint):
    problem = one(store(), {"NCLOUD_METADATA_ENDPOINT": endpoint}, server_role=True)
    assert isinstance(problem, Denied)
    assert "NCLOUD_METADATA_ENDPOINT" in problem.what


# The real address of the metadata, in a network of the test's own

METADATA = "169.254.169.254/32"

ALONE = """
import json, socket, sys, time
sys.path.insert(0, sys.argv[1])
from contextlib import ExitStack
from loopback import Server, answer
from envinject.emulator import Emulator, parse_seed
from envinject.fetch import fetch
from envinject.log import Log
from envinject.manifest import load
from envinject.secret import Secret

document, script, path = json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
with ExitStack() as stack:
    cloud = stack.enter_context(Emulator(parse_seed(document)))
    if script is None:  # a port whose queue is full: nobody answers there, as behind a firewall
        full = stack.enter_context(socket.create_server(("169.254.169.254", 80), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
    elif script:
        steps = {where: [answer(200, body.encode())] for where, body in script.items()}
        stack.enter_context(Server(steps, address=("169.254.169.254", 80)))
    settings = {"type": "ncloud", "endpoint": cloud.endpoints["ncloud"], "server_role": True}
    with open(path, "w") as file:
        json.dump({"providers": {"naver": settings}, "secrets": {"A": "naver://a"}}, file)
    environ = {"HTTP_PROXY": "http://127.0.0.1:1", "SECRETS_EXEC_TRANSPORT": "requests"}
    manifest = load([path], environ, warn=print)
    began = time.monotonic()
    found = fetch(manifest, {k.encode(): v.encode() for k, v in environ.items()}, Log(), began)
    (value,) = found.values()
    told = value.reveal().decode() if isinstance(value, Secret) else f"{value.exit_code}: {value.what}"
    print(json.dumps([told, time.monotonic() - began]))
"""


@pytest.fixture
def alone(tmp_path):
    """Read a secret by a server's role where only loopback is, with perhaps one more address on it."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("a network of the test's own needs unshare and ip")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a network of their own")

    def alone(script: dict[str, str] | None, *, address: str = "") -> tuple[str, float]:
        commands = ["link set lo up", *([f"addr add {address} dev lo"] if address else [])]
        prepare = "".join(f"ip {command} || exit 99\n" for command in commands)
        arguments = [
            str(Path(__file__).parent.parent),
            json.dumps(role()),
            json.dumps(script),
            str(tmp_path / "m.json"),
        ]
        done = subprocess.run(
            ["unshare", "-rn", "sh", "-c", f'{prepare}exec "$@"', "sh", sys.executable, "-P", "-c", ALONE, *arguments],
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode == 99:
            pytest.skip("this kernel cannot make the network that is needed")
        assert done.returncode == 0, done.stderr.decode()
        told, seconds = json.loads(done.stdout)
        return told, seconds

    return alone


def test_the_metadata_are_at_their_link_local_address(alone):
    keys = json.dumps({"AccessKeyId": "ncp_iam_x", "SecretAccessKey": "of-the-role"})
    script = {"/latest/api/token": "token", ROLES: "my-role_1", f"{ROLES}/my-role_1": keys}
    assert alone(script, address=METADATA)[0] == "v"


@pytest.mark.slow
def test_off_the_vendors_servers_the_metadata_cost_two_seconds(alone):
    told, seconds = alone(None, address=METADATA)
    assert told.startswith("77: the server's metadata cannot be reached")
    assert 2 <= seconds < 5


def test_without_a_network_the_metadata_are_given_up_at_once(alone):
    told, seconds = alone({})
    assert told.startswith("77: the server's metadata cannot be reached")
    assert seconds < 2
