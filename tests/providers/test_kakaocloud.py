"""KakaoCloud Secrets Manager, in both generations of its API."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from loopback import answer

from envinject.errors import (
    BadValue,
    Denied,
    Failures,
    NotFound,
    StoreError,
    Unavailable,
)

CANARY = "c4n4ry"
KEY = {
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "key-id",
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "key-secret",
}
TOKEN = {"KAKAOCLOUD_TOKEN": "given-token"}
APP = {"name": "app", "id": "key-id", "secret": "key-secret", "token": "given-token"}
VALUE = "/api/v1/secrets/a/versions/value"
EXCHANGE = "/identity/v3/auth/tokens"


def seed(*secrets: dict, **more: object) -> dict:
    """A cloud with one access key and these secrets."""
    return {"kakaocloud": {"credentials": [APP], "secrets": list(secrets), **more}}


def twenty() -> dict:
    return seed(*({"id": f"s-{number}", "value": f"value {number}"} for number in range(20)))


TWENTY = {f"S{number}": f"kakao://s-{number}" for number in range(20)}
VALUES = {f"S{number}": f"value {number}".encode() for number in range(20)}


@pytest.fixture
def kakao(read):
    """Read secrets of an emulator or a server: `kakao(server, {"A": "kakao://a"}, KEY, setting=...)`."""

    def kakao(server, secrets, environ=TOKEN, *, options=None, generation="kakaocloud", **settings):
        if hasattr(server, "endpoints"):
            settings = {
                "endpoint": server.endpoints[generation],
                "iam_endpoint": server.endpoints["kakaocloud-iam"],
                **settings,
            }
        else:
            settings = {"endpoint": server.url, "iam_endpoint": server.url, **settings}
        return read(secrets, {"kakao": {"type": "kakaocloud", **settings}}, environ, options=options)

    return kakao


@pytest.fixture
def one(kakao):
    """What comes of reading the secret `a`."""

    def one(server, environ=TOKEN, *, ref="kakao://a", **how):
        return kakao(server, {"A": ref}, environ, **how)["A"]

    return one


def services(emulator) -> Counter:
    return Counter(request.service for request in emulator.requests)


def current(value: str) -> bytes:
    """An answer of the current generation around a value's JSON."""
    return answer(200, f'{{"version":{{"secret":{value}}}}}'.encode())


# Tokens


def test_a_token_is_exchanged_once_however_many_secrets_there_are(kakao, emulator):
    cloud = emulator(twenty())
    assert kakao(cloud, TWENTY, KEY) == VALUES
    assert services(cloud) == {"kakaocloud-iam": 1, "kakaocloud": 20}
    assert cloud.requests[0].service == "kakaocloud-iam"


def test_a_token_that_is_given_is_used_as_it_is(kakao, emulator):
    cloud = emulator(twenty())
    assert kakao(cloud, TWENTY, {**TOKEN, **KEY}) == VALUES
    assert services(cloud) == {"kakaocloud": 20}


def test_a_token_that_the_store_refuses_is_renewed_once_for_all(kakao, emulator):
    many = [f"s-{number}" for number in range(200)]
    cloud = emulator(seed(*({"id": id, "value": id} for id in many)))
    found = kakao(cloud, {f"S{id[2:]}": f"kakao://{id}" for id in many}, {"KAKAOCLOUD_TOKEN": "of-yesterday", **KEY})
    assert found == {f"S{id[2:]}": id.encode() for id in many}
    assert services(cloud)["kakaocloud-iam"] == 1
    refused = [request for request in cloud.requests if request.status == 401]
    assert len(refused) < 150, "what still waits goes with the new token at once"
    assert services(cloud)["kakaocloud"] == 200 + len(refused)


def test_a_renewed_token_that_is_refused_too_is_the_end(kakao, emulator):
    cloud = emulator(seed(token_lifetime=0))
    found = kakao(cloud, {f"S{number}": f"kakao://s-{number}" for number in range(200)}, KEY)
    assert {type(value) for value in found.values()} == {Denied}
    assert services(cloud)["kakaocloud-iam"] == 2
    targets = Counter(request.target for request in cloud.requests if request.service == "kakaocloud")
    assert set(targets.values()) == {1, 2}, "once with each token, and once where the first is known to be refused"


def test_a_token_that_is_refused_without_a_key_is_not_tried_again(kakao, emulator):
    cloud = emulator(twenty())
    found = kakao(cloud, TWENTY, {"KAKAOCLOUD_TOKEN": "of-yesterday"})
    assert {type(value) for value in found.values()} == {Denied}
    assert services(cloud) == {"kakaocloud": 20}


def test_two_providers_have_a_token_each(read, emulator):
    cloud = emulator(twenty())
    settings = {
        "type": "kakaocloud",
        "endpoint": cloud.endpoints["kakaocloud"],
        "iam_endpoint": cloud.endpoints["kakaocloud-iam"],
    }
    found = read({"A": "one://s-1", "B": "other://s-2", "C": "one://s-3"}, {"one": settings, "other": settings}, KEY)
    assert found == {"A": b"value 1", "B": b"value 2", "C": b"value 3"}
    assert services(cloud)["kakaocloud-iam"] == 2


def test_the_exchange_is_what_the_vendor_documents(one, store):
    server = store({EXCHANGE: [answer(201, b"{}", {"x-SUBJECT-token": "fresh"})], VALUE: [current('"v"')]})
    assert one(server, KEY) == b"v"
    exchange, get = server.received
    assert (exchange.method, exchange.target) == ("POST", EXCHANGE)
    assert exchange.headers["content-type"] == "application/json"
    assert json.loads(exchange.body) == {
        "auth": {
            "identity": {
                "methods": ["application_credential"],
                "application_credential": {"id": "key-id", "secret": "key-secret"},
            }
        }
    }
    assert get.headers["x-auth-token"] == "fresh"
    assert "key-secret" not in repr(get)
    assert not get.body


@pytest.mark.parametrize("path", ["", "/identity/v3", "/identity/v3/auth/tokens"])
def test_the_iam_endpoint_may_be_written_as_the_documents_have_it(one, store, path):
    server = store({EXCHANGE: [answer(201, b"{}", {"X-Subject-Token": "fresh"})], VALUE: [current('"v"')]})
    assert one(server, KEY, iam_endpoint=server.url + path) == b"v"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_exchange_is_tried_again_when_the_service_is_busy(one, store, status):
    token = answer(201, b"{}", {"X-Subject-Token": "fresh"})
    server = store({EXCHANGE: [answer(status), token], VALUE: [current('"v"')]})
    assert one(server, KEY) == b"v"
    assert len(server.received) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, StoreError),
        (401, Denied),
        (403, Denied),
        (404, StoreError),
        (408, Unavailable),
        (500, Unavailable),
        (307, StoreError),
    ],
)
def test_an_exchange_that_fails_for_good_is_everybodys_error(kakao, store, status, error):
    body = json.dumps({"error": {"code": status, "message": CANARY, "title": CANARY}}).encode()
    server = store({EXCHANGE: [answer(status, body, {"Location": "/elsewhere"})]})
    secrets = {name: {"provider": "kakao", "id": name, "default": "d"} for name in ("A", "B")}
    found = kakao(server, secrets, KEY)
    assert {type(value) for value in found.values()} == {error}
    assert len(server.received) == 1
    assert CANARY not in repr([(value.what, value.hint) for value in found.values()])


def test_a_truncated_exchange_is_not_sent_again(one, store):
    server = store({EXCHANGE: [b"HTTP/1.1 201 Created\r\nX-Subject-Token: t\r\nContent-Length: 9\r\n\r\n{"]})
    assert isinstance(one(server, KEY), Unavailable)
    assert len(server.received) == 1


@pytest.mark.parametrize("headers", [{}, {"X-Subject-Token": ""}, {"X-Subject-Token": "caf\xe9"}])
def test_an_exchange_without_a_token_makes_no_sense(one, store, headers):
    server = store({EXCHANGE: [answer(201, b"{}", headers)]})
    assert isinstance(one(server, KEY), StoreError)


# Credentials


def test_credentials_come_from_variables_that_the_manifest_names(one, emulator):
    cloud = emulator(seed({"id": "a", "value": "v"}))
    named = {"access_key_id_env": "MY_ID", "secret_access_key_env": "MY_SECRET"}
    assert one(cloud, {"MY_ID": "key-id", "MY_SECRET": "key-secret"}, **named) == b"v"
    assert one(cloud, {"MY_TOKEN": "given-token"}, token_env="MY_TOKEN") == b"v"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_credentials_file_loses_one_line_end(one, emulator, tmp_path, end):
    cloud = emulator(seed({"id": "a", "value": "v"}))
    for name, text in {"id": "key-id", "secret": "key-secret"}.items():
        (tmp_path / name).write_bytes((text + end).encode())
    assert one(cloud, {}, access_key_id_file="id", secret_access_key_file=str(tmp_path / "secret")) == b"v"


@pytest.mark.parametrize("text", [f"{CANARY}\n\n", f"{CANARY} ", f" {CANARY}", f"{CANARY}\nx", f"{CANARY}\xe9", ""])
def test_a_file_that_holds_no_credential_is_refused_unechoed(one, store, tmp_path, text):
    (tmp_path / "token").write_bytes(text.encode("latin-1"))
    server = store()
    problem = one(server, {}, token_file="token")
    assert isinstance(problem, Denied)
    assert CANARY not in problem.what + problem.hint
    assert server.received == []


@pytest.mark.parametrize("name", ["token", "access_key_id", "secret_access_key"])
def test_a_credentials_file_that_is_missing_is_no_secret_that_is_missing(read, store, name):
    """A default stands in for a secret that is not there, never for a credential that is not."""
    settings = {"type": "kakaocloud", "endpoint": store().url, f"{name}_file": "missing"}
    environ = {variable: value for variable, value in KEY.items() if not variable.endswith(f"_{name[-2:].upper()}")}
    problem = read({"A": {"provider": "kakao", "id": "a", "default": "d"}}, {"kakao": settings}, environ)["A"]
    assert isinstance(problem, Denied)
    assert "missing" in problem.what


@pytest.mark.parametrize("text", [f"{CANARY}\n", f"{CANARY}\nx", f" {CANARY}", f"{CANARY}\x7f", f"{CANARY}\u00e9", " "])
@pytest.mark.parametrize("variable", ["KAKAOCLOUD_TOKEN", *KEY])
def test_a_variable_that_holds_no_credential_is_refused_unechoed(one, store, variable, text):
    server = store()
    problem = one(server, {**KEY, variable: text})
    assert isinstance(problem, Denied)
    assert variable in problem.what
    assert CANARY not in problem.what + problem.hint
    assert server.received == []


@pytest.mark.parametrize("environ", [{}, dict.fromkeys([*TOKEN, *KEY], "")], ids=["unset", "empty"])
def test_without_credentials_nothing_is_sent_and_it_is_told_where_they_may_stand(kakao, store, environ):
    server = store()
    found = kakao(server, {"A": "kakao://a", "B": "kakao://b"}, environ)
    assert {type(value) for value in found.values()} == {Denied}
    assert found["A"].what == "no credentials for kakao"
    for name in (*TOKEN, *KEY):
        assert name in found["A"].hint
    assert server.received == []


def test_what_the_manifest_names_is_what_is_told_to_be_missing(one, store):
    problem = one(store(), {}, token_env="MY_TOKEN", access_key_id_env="MY_ID", secret_access_key_env="MY_SECRET")
    assert "MY_TOKEN, or MY_ID and MY_SECRET" in problem.hint
    assert "KAKAOCLOUD_TOKEN" not in problem.hint


@pytest.mark.parametrize("variable", KEY)
def test_half_a_key_is_told(one, store, variable):
    problem = one(store(), {variable: "x"})
    (other,) = KEY.keys() - {variable}
    assert isinstance(problem, Denied)
    assert "half" in problem.what
    assert other in problem.hint


# Both generations


def versions() -> dict:
    numbered = [{"version": number, "value": f"v{number}"} for number in (1, 2, 3)]
    return seed({"id": "a", "versions": numbered, "default_version": 2})


@pytest.mark.parametrize(
    ("generation", "settings", "targets"),
    [
        ("kakaocloud", {}, [VALUE, "/api/v1/secrets/a/versions/3/value"]),
        ("kakaocloud", {"api": "current"}, [VALUE, "/api/v1/secrets/a/versions/3/value"]),
        ("kakaocloud-classic", {"api": "classic"}, [VALUE, f"{VALUE}?version=3"]),
    ],
)
def test_each_generation_is_asked_for_a_version_in_its_own_way(kakao, emulator, generation, settings, targets):
    cloud = emulator(versions())
    secrets = {"DEFAULT": "kakao://a", "THIRD": "kakao://a?version=3"}
    assert kakao(cloud, secrets, generation=generation, **settings) == {"DEFAULT": b"v2", "THIRD": b"v3"}
    assert sorted(request.target for request in cloud.requests) == sorted(f"/{generation}{path}" for path in targets)


SERVICE = "secrets-manager-service.{}.kakaocloud.com"
CLASSIC = "secrets-manager.{}.kakaocloud.com"


@pytest.mark.parametrize(
    ("settings", "host", "target"),
    [
        ({}, SERVICE, "/api/v1/secrets/a/versions/3/value"),
        ({"api": "current"}, SERVICE, "/api/v1/secrets/a/versions/3/value"),
        ({"api": "classic"}, CLASSIC, f"{VALUE}?version=3"),
        ({"endpoint": f"https://{CLASSIC}"}, CLASSIC, f"{VALUE}?version=3"),
        ({"endpoint": f"https://{CLASSIC}/api/v1/"}, CLASSIC, f"{VALUE}?version=3"),
        ({"endpoint": f"https://{SERVICE}"}, SERVICE, "/api/v1/secrets/a/versions/3/value"),
    ],
)
def test_the_host_says_the_generation_and_the_generation_the_host(read, cloud, settings, host, target):
    real = cloud(versions())
    settings = {name: text.format("kr-central-2") for name, text in settings.items()}
    found = read({"A": "kakaocloud://a?version=3"}, {"kakaocloud": settings}, {**real.environ, **KEY})
    assert found == {"A": b"v3"}
    assert real.asked == [("iam.kakaocloud.com", EXCHANGE), (host.format("kr-central-2"), target)]


def test_the_setting_goes_over_the_host(read, cloud):
    real = cloud(versions())
    settings = {"endpoint": f"https://{SERVICE.format('kr-central-2')}", "api": "classic"}
    read({"A": "kakaocloud://a?version=3"}, {"kakaocloud": settings}, {**real.environ, **TOKEN})
    assert real.asked == [(SERVICE.format("kr-central-2"), f"{VALUE}?version=3")]


@pytest.mark.parametrize("region", ["kr-central-1", "kr-central-3"])
def test_the_region_is_part_of_the_host(read, cloud, region):
    real = cloud(versions())
    found = read({"A": "kakaocloud://a"}, {"kakaocloud": {"region": region}}, {**real.environ, **TOKEN})
    assert real.proxy.targets == [f"{SERVICE.format(region)}:443"]
    assert isinstance(found["A"], StoreError)  # the certificate is not for it


@pytest.mark.parametrize("region", ["evil.example.com/", "x@evil.example.com/#", "kr central", "KR", ""])
def test_no_region_leads_a_credential_to_another_host(read, cloud, region):
    real = cloud(versions())
    with pytest.raises(Failures) as caught:
        read({"A": "kakaocloud://a"}, {"kakaocloud": {"region": region}}, {**real.environ, **TOKEN})
    assert caught.value.exit_code == 78
    assert real.proxy.connections == 0


JSON_VALUES = {
    '{"b":1,"a":{"x":[1, 2.50,null]}}': b'{"b":1,"a":{"x":[1,2.50,null]}}',
    "[1,true,null]": b"[1,true,null]",
    "1.0": b"1.0",
    "1e400": b"1e400",
    "123456789012345678901234567890": b"123456789012345678901234567890",
    "true": b"true",
    "false": b"false",
    '"text"': b"text",
    '"  not trimmed\\n"': b"  not trimmed\n",
    '""': b"",
    '"{\\"a\\": 1}"': b'{"a": 1}',
    '"\\u00e9\\ud83d\\ude00"': "é😀".encode(),
}


@pytest.mark.parametrize(("written", "value"), JSON_VALUES.items(), ids=JSON_VALUES)
def test_the_current_generation_has_any_json_for_a_value(one, emulator, written, value):
    assert one(emulator(seed({"id": "a", "value_json": written}))) == value


@pytest.mark.parametrize(("written", "value"), JSON_VALUES.items(), ids=JSON_VALUES)
def test_the_classic_generation_has_a_string_for_a_value(one, emulator, written, value):
    cloud = emulator(seed({"id": "a", "value_json": written}))
    text = value if written.startswith('"') else written.encode()
    assert one(cloud, generation="kakaocloud-classic", api="classic") == text


@pytest.mark.parametrize("body", ['{"version":{"secret":null}}', '{"code":"OK","message":"","data":null}'])
def test_null_counts_as_not_found(one, store, body):
    assert isinstance(one(store({VALUE: [answer(200, body.encode())]})), NotFound)


@pytest.mark.parametrize("api", ["current", "classic"])
@pytest.mark.parametrize(
    "body",
    ['{"version":{"secret":"v"}}', '{"code":"0","message":"m","data":"v","requestId":"r"}', '{"data":"v"}'],
)
def test_an_answer_is_read_by_its_shape_whichever_generation_was_asked(one, store, api, body):
    assert one(store({VALUE: [answer(200, body.encode())]}), api=api) == b"v"


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        ('{"error":{"code":"Forbidden","message":"%s"}}', "(403, code Forbidden)"),
        ('{"error":{"code":40301,"message":"%s"}}', "(403, code 40301)"),
        ('{"code":"E403","message":"%s","requestId":"req-1"}', "(403, code E403, request id req-1)"),
        ('{"code":-1,"message":"%s"}', "(403, code -1)"),
        ('{"error":{"code":"%s with spaces"}}', "(403)"),
        ('{"error":{"code":"' + "x" * 65 + '"}}', "(403)"),
        ('{"error":{"code":["%s"]}}', "(403)"),
        ('{"error":"%s"}', "(403)"),
        ("[]", "(403)"),
        ("%s", "(403)"),
        ("", "(403)"),
    ],
)
def test_both_shapes_of_errors_are_understood_and_never_quoted(one, store, body, facts):
    problem = one(store({VALUE: [answer(403, body.replace("%s", CANARY).encode())]}))
    assert isinstance(problem, Denied)
    assert problem.what == f"kakaocloud does not allow reading this secret {facts}"
    assert CANARY not in problem.what + problem.hint


def test_a_request_id_from_a_header_is_told(one, store):
    problem = one(store({VALUE: [answer(403, b"{}", {"X-Request-Id": "abc-123"})]}))
    assert "request id abc-123" in problem.what


# Statuses


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *(
            (status, 69)
            for status in (201, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 405, 409, 410, 413, 418, 422)
        ),
        (401, 77),
        (403, 77),
        (404, 66),
        *((status, 75) for status in (501, 505, 507, 511, 599)),
    ],
)
def test_a_status_has_its_exit_code_and_is_final(one, store, status, code):
    elsewhere = store()
    server = store({VALUE: [answer(status, b"", {"Location": elsewhere.url})]})
    problem = one(server)
    assert problem.exit_code == code
    assert str(status) in problem.what
    assert len(server.received) == 1
    assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass_is_tried_again_with_the_same_token(one, store, status):
    server = store({VALUE: [answer(status), current('"v"')]})
    assert one(server) == b"v"
    assert [request.headers["x-auth-token"] for request in server.received] == ["given-token"] * 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_store_that_asks_for_more_time_than_there_is_is_unavailable(one, store, status):
    problem = one(store({VALUE: [answer(status, b"", {"Retry-After": "3600"})]}))
    assert isinstance(problem, Unavailable)
    assert "it asks to wait 3600 s" in problem.what


def test_retry_after_is_waited_for(one, store):
    server = store({VALUE: [answer(503, b"", {"Retry-After": "1"}), current('"v"')]})
    began = time.monotonic()
    assert one(server) == b"v"
    assert time.monotonic() - began >= 1


def test_a_secret_version_or_key_that_is_not_there_is_not_found(kakao, emulator):
    cloud = emulator(seed({"id": "a", "value": "v"}))
    found = kakao(cloud, {"A": "kakao://missing", "B": "kakao://a?version=9"})
    assert {type(value) for value in found.values()} == {NotFound}


def test_a_version_that_is_not_active_and_a_secret_that_is_not_ours_are_no_missing_ones(kakao, emulator):
    old = {"id": "old", "versions": [{"version": 1, "value": 1, "status": "Destroyed"}, {"version": 2, "value": 2}]}
    document = seed(old, {"id": "others", "value": "v"})
    document["kakaocloud"]["credentials"] = [{**APP, "secrets": ["old"]}]
    found = kakao(emulator(document), {"A": "kakao://old?version=1", "B": "kakao://others"})
    assert [type(value) for value in found.values()] == [StoreError, Denied]


@pytest.mark.parametrize("offset", [-3600, -33, 33, 3600])
def test_a_401_tells_how_wrong_the_clock_is(one, emulator, offset):
    cloud = emulator(seed(), clock=lambda: time.time() - offset)
    problem = one(cloud, {"KAKAOCLOUD_TOKEN": "wrong"})
    assert isinstance(problem, Denied)
    words = "behind" if offset < 0 else "ahead of"
    told = f"s {words} the store's"
    assert told in problem.hint
    seconds = int(problem.hint.partition(" s ")[0].rpartition(" ")[2])
    assert abs(seconds - abs(offset)) <= 2


@pytest.mark.parametrize(
    ("date", "told"),
    [
        (None, "holds no date"),
        ("yesterday", "holds no date"),
        ("Fri, 99 Foo 99999999999999 99:99:99 GMT", "holds no date"),
    ],
)
def test_a_401_without_a_date_says_so(one, store, date, told):
    headers = {"Date": date} if date else {}
    assert told in one(store({VALUE: [answer(401, b"", headers)]})).hint


def test_a_401_at_the_right_time_says_that_the_clock_agrees(one, emulator):
    assert "clock agrees" in one(emulator(seed()), {"KAKAOCLOUD_TOKEN": "wrong"}).hint


def test_a_refused_exchange_tells_of_the_clock_too(one, emulator):
    problem = one(emulator(seed()), {**KEY, "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "wrong"})
    assert isinstance(problem, Denied)
    assert "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET" in problem.hint
    assert "clock agrees" in problem.hint


# Answers that make no sense

HTML = b"<!DOCTYPE html><title>" + CANARY.encode() + b"</title>"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (HTML, "it is an HTML page"),
        (b"  \n" + HTML, "it is an HTML page"),
        (b"", "it is empty"),
        (CANARY.encode(), "it is not JSON"),
        (b'{"version":{"secret":"' + CANARY.encode(), "it is not JSON"),
        (b"\xff\xfe{\x00}\x00", "it is not UTF-8"),
        (b'{"version":{"secret":"\xff"}}', "it is not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"version":{"secret":1,"secret":2}}', "an object in it has a key twice"),
        (b'{"version":{"secret":NaN}}', "it holds NaN or Infinity"),
        (b"null", "it has neither"),
        (b"[]", "it has neither"),
        (b"{}", "it has neither"),
        (b'{"version":3}', "it has neither"),
        (b'{"version":{"value":"' + CANARY.encode() + b'"}}', "it has neither"),
        (b'{"code":"E1","message":"' + CANARY.encode() + b'"}', "it has neither"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_that_makes_no_sense_is_69_and_not_quoted(one, store, body, told):
    server = store({VALUE: [answer(200, body)]})
    problem = one(server)
    assert isinstance(problem, StoreError)
    assert told in problem.what
    assert CANARY not in problem.what + problem.hint
    assert len(server.received) == 1


@pytest.mark.parametrize("body", [HTML, b"404 page not found\n", b'"not found"', b"{}"])
def test_a_404_that_is_not_the_stores_is_no_missing_secret(kakao, store, body):
    server = store({VALUE: [answer(404, body)]})
    found = kakao(server, {"A": {"provider": "kakao", "id": "a", "default": "d"}})
    assert isinstance(found["A"], StoreError)


def test_a_string_that_is_no_unicode_is_bad_data(one, store):
    assert isinstance(one(store({VALUE: [current('"\\ud800"')]})), BadValue)


def test_a_value_may_fill_the_answer_and_not_more(one, store):
    large = "x" * ((1 << 20) - 100)
    assert one(store({VALUE: [current(f'"{large}"')]})) == large.encode()
    problem = one(store({VALUE: [current(f'"{large}{"x" * 200}"')]}))
    assert isinstance(problem, StoreError)
    assert "larger than 1 MiB" in problem.what


# Ids


def test_an_id_outside_of_the_grammar_is_refused_before_anything_is_sent(kakao, store, refused_id):
    server = store()
    with pytest.raises(Failures) as caught:
        kakao(server, {"A": "kakao://fine", "B": {"provider": "kakao", "id": refused_id}})
    assert caught.value.exit_code == 78
    assert server.connections == 0


def test_a_masked_id_is_told_what_it_means(kakao, store):
    with pytest.raises(Failures) as caught:
        kakao(store(), {"A": {"provider": "kakao", "id": "********"}})
    (problem,) = caught.value.errors
    assert "masks" in problem.hint


@pytest.mark.parametrize("id", ["a", "7a0c41", "0b9d4c7e-8f6a-4c1e-9a53-0c1d2e3f4a5b", "A_b.c-9", "x" * 128, "-a-"])
def test_an_id_within_the_grammar_is_asked_for_as_it_is(one, emulator, id):
    cloud = emulator(seed({"id": id, "value": "v"}))
    assert one(cloud, ref=f"kakao://{id}") == b"v"
    assert cloud.requests[-1].target == f"/kakaocloud/api/v1/secrets/{id}/versions/value"


@pytest.mark.parametrize("version", ["0", "-1", "1.5", "latest", "01", "\u0661", "9" * 19, "1/../2"])
def test_a_version_is_a_positive_integer(kakao, store, version):
    with pytest.raises(Failures) as caught:
        kakao(store(), {"A": {"provider": "kakao", "id": "a", "version": version}})
    assert "positive integer" in caught.value.errors[0].hint


def test_a_stage_is_refused_with_what_there_is_instead(kakao, store):
    with pytest.raises(Failures) as caught:
        kakao(store(), {"A": "kakao://a?stage=active"})
    (problem,) = caught.value.errors
    assert problem.what == "kakaocloud has no stage"
    assert "version (a positive integer)" in problem.hint


# Once each


def test_twenty_variables_of_one_secret_are_one_request(kakao, emulator):
    cloud = emulator(seed({"id": "a", "value": {"k": "v"}}))
    secrets = {f"V{number}": f"kakao://a#k{number}" for number in range(19)} | {"WHOLE": "kakao://a"}
    assert set(kakao(cloud, secrets).values()) == {b'{"k":"v"}'}
    assert services(cloud) == {"kakaocloud": 1}


def test_each_version_is_a_secret_of_its_own(kakao, emulator):
    cloud = emulator(versions())
    assert kakao(cloud, {"A": "kakao://a", "B": "kakao://a?version=2"}) == {"A": b"v2", "B": b"v2"}
    assert services(cloud) == {"kakaocloud": 2}


@pytest.mark.parametrize(
    ("settings", "options", "most"),
    [
        ({"concurrency": 3}, {}, 3),
        ({}, {"concurrency": 4}, 4),
        ({}, {}, 16),
        ({}, {"concurrency": 20}, 20),
        ({"concurrency": 20}, {}, 16),
    ],
)
def test_no_more_are_under_way_than_the_provider_and_the_run_allow(kakao, store, settings, options, most):
    server = store(otherwise=current('"v"'), gather=most)
    found = kakao(
        server, {f"A{number}": f"kakao://a{number}" for number in range(2 * most)}, options=options, **settings
    )
    assert set(found.values()) == {b"v"}
    assert server.most == most
