"""The emulator as a whole: endpoints, hosts, what it logs, what it does on purpose, and how it ends."""

from __future__ import annotations

import http.client
import io
import socket
import threading
from urllib.parse import urlsplit

import pytest

from envinject.emulator import CannotStart, Emulator, parse_seed

CANARY = "canary-value"
AUTH = {"X-Auth-Token": "fake-token"}
VALUE = "/kakaocloud/api/v1/secrets/one/versions/value"
SEED = {
    "kakaocloud": {
        "credentials": [{"name": "shop", "id": "fake-id", "secret": "fake", "token": "fake-token"}],
        "secrets": [{"id": "one", "value": CANARY}, {"id": "two", "value": 2}],
    },
    "ncloud": {
        "credentials": [{"name": "orders", "access_key": "fake-access", "secret_key": "fake-secret"}],
        "secrets": [
            {"id": "kr", "active": CANARY},
            {"id": "jp", "active": CANARY, "region": "JP"},
            {"id": "global", "active": CANARY, "keys": "global"},
        ],
    },
}


def with_fail(**fail):
    secrets = [{"id": "one", "value": CANARY, "fail": fail}, {"id": "two", "value": 2}]
    return {"kakaocloud": SEED["kakaocloud"] | {"secrets": secrets}}


# --- where things are ---


def test_every_service_has_an_endpoint(start):
    emulator = start(SEED)
    host, port = urlsplit(emulator.url).hostname, urlsplit(emulator.url).port
    assert emulator.endpoints == {
        "kakaocloud": f"http://{host}:{port}/kakaocloud",
        "kakaocloud-classic": f"http://{host}:{port}/kakaocloud-classic",
        "kakaocloud-iam": f"http://{host}:{port}/kakaocloud-iam",
        "ncloud": f"http://{host}:{port}/secretmanager",
        "ncloud-jp": f"http://{host}:{port}/ncloud-jp",
        "ncloud-global": f"http://{host}:{port}/ncloud-global",
        "metadata": f"http://{host}:{port}",
    }


@pytest.mark.parametrize(
    ("host", "target", "service"),
    [
        ("secrets-manager-service.kr-central-2.kakaocloud.com", "/api/v1/secrets/one/versions/value", "kakaocloud"),
        ("secrets-manager.kr-central-2.kakaocloud.com", "/api/v1/secrets/one/versions/value", "kakaocloud-classic"),
        ("SECRETS-MANAGER.kr-central-2.kakaocloud.com:443", "/api/v1/secrets/one/versions/value", "kakaocloud-classic"),
        ("ocapi-kr.ncloud.com", "/secretmanager/api/v1/secrets/kr/active", "ncloud"),
        ("ocapi-jp.ncloud.com:443", "/secretmanager/api/v1/secrets/jp/active", "ncloud-jp"),
        ("secretmanager.apigw.ntruss.com", "/api/v1/secrets/global/active", "ncloud-global"),
    ],
)
def test_the_vendors_host_names_have_the_vendors_paths(start, send, sign, host, target, service):
    emulator = start(SEED)
    assert send(emulator, "GET", target, {"Host": host} | AUTH | sign(target)).status == 200
    assert (emulator.requests[-1].service, emulator.requests[-1].host) == (service, host)


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("ocapi-kr.ncloud.com", "/api/v1/secrets/kr/active"),
        ("ocapi-kr.ncloud.com", "/ncloud-jp/api/v1/secrets/jp/active"),
        ("secretmanager.apigw.ntruss.com", "/secretmanager/api/v1/secrets/global/active"),
        ("iam.kakaocloud.com", VALUE),
    ],
)
def test_a_vendors_host_has_no_other_paths(start, send, sign, host, target):
    assert send(start(SEED), "GET", target, {"Host": host} | AUTH | sign(target)).status == 404


def test_a_path_that_no_service_has_is_told_with_those_that_there_are(start, send):
    emulator = start(SEED)
    answer = send(emulator, "GET", "/kakaocloudy/api/v1/secrets")
    assert answer.status == 404
    assert "/kakaocloud, /kakaocloud-classic" in answer.json["error"]
    assert (emulator.requests[-1].service, emulator.requests[-1].provider) == ("", "")


def test_slashes_at_the_beginning_are_part_of_the_target(start, send):
    emulator = start(SEED)
    assert send(emulator, "GET", f"/{VALUE}", AUTH).status == 404
    assert emulator.requests[-1].target == f"/{VALUE}"


# --- what each answer has ---


@pytest.mark.parametrize("target", [VALUE, "/none", "/latest/none", "/secretmanager/none"])
def test_every_answer_has_a_date_a_type_and_a_length(start, send, target):
    answer = send(start(SEED), "GET", target, AUTH)
    assert answer.headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    assert answer.headers["content-type"] in ("application/json", "text/plain")
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_a_connection_serves_many_requests(start):
    connection = http.client.HTTPConnection(urlsplit(start(SEED).url).netloc)
    for target, status in ((VALUE, 200), ("/none", 404), ("/latest/api/token", 405), (VALUE, 200)):
        connection.request("GET", target, headers=AUTH)
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (status, True)
    connection.close()


def test_many_connections_are_served_at_once(start, send):
    emulator = start(SEED)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(send(emulator, "GET", VALUE, AUTH).status)) for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 50
    assert len(emulator.requests) == 50


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"BREW / HTTP/1.1\r\n\r\n", 501),
        (b"CONNECT canary-value:443 HTTP/1.1\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nContent-Length: canary-value\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", 414),
    ],
)
def test_what_is_no_request_is_refused_without_an_echo(start, request_, status):
    with socket.create_connection(_address(start(SEED))) as client:
        client.sendall(request_)
        answer = _all_of(client)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer
    assert CANARY.encode() not in answer


# --- what it logs ---


def test_every_request_is_logged(start, send, sign):
    emulator = start(SEED)
    send(emulator, "GET", f"{VALUE}?x=1", AUTH)
    target = "/secretmanager/api/v1/secrets/kr/active"
    send(emulator, "GET", target, sign(target, secret_key="wrong"))
    first, second = emulator.requests
    assert (first.method, first.target, first.status) == ("GET", f"{VALUE}?x=1", 200)
    assert (first.time, first.service, first.provider, first.credential) == (1.8e9, "kakaocloud", "kakaocloud", "shop")
    assert f"http://{first.host}" == emulator.url
    assert (second.status, second.provider, second.credential) == (401, "ncloud", "")
    assert second.note == "the signature is not that of orders for this target"


def test_a_line_of_the_log_says_who_asked_for_what(start, send):
    log = io.StringIO()
    emulator = start(SEED, log=log)
    send(emulator, "GET", f"{VALUE}?x=1", AUTH)
    send(emulator, "GET", "/kakaocloud/api/v1/secrets/none", AUTH)
    assert log.getvalue().splitlines() == [
        f"2027-01-15T08:00:00.000+00:00 GET {VALUE} 200 kakaocloud shop",
        "2027-01-15T08:00:00.000+00:00 GET /kakaocloud/api/v1/secrets/none 404 kakaocloud shop (no such secret)",
    ]


def test_a_line_of_the_log_is_printable(start):
    log = io.StringIO()
    emulator = start(SEED, log=log)
    with socket.create_connection(_address(emulator)) as client:
        client.sendall(b"GET /\x1b[2J\x07\xff HTTP/1.1\r\nConnection: close\r\n\r\n")
        _all_of(client)
    assert "GET /\\x1b[2J\\x07\\xff 404" in log.getvalue()


def test_a_log_that_nobody_reads_stops_nothing(start, send):
    log = io.StringIO()
    emulator = start(SEED, log=log)
    log.close()
    assert send(emulator, "GET", VALUE, AUTH).status == 200


def test_no_value_or_credential_is_logged(start, send, sign):
    log = io.StringIO()
    emulator = start(SEED, log=log)
    target = "/secretmanager/api/v1/secrets/kr/values"
    headers = AUTH | sign(target)
    body = b'{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"fake-id"}}}}'
    send(emulator, "GET", VALUE, headers)
    send(emulator, "GET", target, headers)
    send(emulator, "POST", "/kakaocloud-iam/identity/v3/auth/tokens", {"Content-Type": "application/json"}, body)
    logged = log.getvalue() + repr(emulator.requests)
    assert [request.status for request in emulator.requests] == [200, 200, 400]
    for secret in (CANARY, "fake-token", "fake-id", "fake-access", headers["x-ncp-apigw-signature-v2"]):
        assert secret not in logged


# --- what it does on purpose ---


def test_a_forced_failure_comes_as_often_as_the_seed_says(start, send):
    emulator = start(with_fail(status=503, times=2, retry_after="7"))
    answers = [send(emulator, "GET", VALUE, AUTH) for _ in range(4)]
    assert [answer.status for answer in answers] == [503, 503, 200, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert answers[0].json.keys() == {"error"}
    assert emulator.requests[0].credential == "shop"


def test_a_forced_failure_without_a_count_stays(start, send):
    emulator = start(with_fail(status=500))
    assert {send(emulator, "GET", VALUE, AUTH).status for _ in range(5)} == {500}


def test_a_forced_failure_is_of_one_secret_and_of_those_who_may_read_it(start, send):
    emulator = start(with_fail(status=503, times=1))
    assert send(emulator, "GET", VALUE.replace("one", "two"), AUTH).status == 200
    assert send(emulator, "GET", "/kakaocloud/api/v1/secrets", AUTH).status == 200
    assert send(emulator, "GET", VALUE).status == 401
    assert send(emulator, "GET", VALUE, AUTH).status == 503


@pytest.mark.parametrize(
    ("fail", "error"),
    [
        ({"status": 429}, {"errorCode": "420", "message": "Rate Limited"}),
        ({"status": 429, "code": "400"}, {"errorCode": "400", "message": "Quota Exceeded"}),
        ({"status": 503}, {"errorCode": "500", "message": "Endpoint Error"}),
        ({"status": 504}, {"errorCode": "510", "message": "Endpoint Timeout"}),
        ({"status": 500}, {"errorCode": "900", "message": "Unexpected Error"}),
        (
            {"status": 422, "code": "UNPROCESSABLE_ENTITY"},
            {"errorCode": "UNPROCESSABLE_ENTITY", "message": "Invalid status"},
        ),
    ],
)
def test_a_forced_failure_has_the_shape_of_its_api(start, send, sign, fail, error):
    credentials = SEED["ncloud"]["credentials"]
    emulator = start({"ncloud": {"credentials": credentials, "secrets": [{"id": "kr", "active": "{}", "fail": fail}]}})
    target = "/secretmanager/api/v1/secrets/kr/active"
    answer = send(emulator, "GET", target, sign(target))
    assert (answer.status, answer.json["error"]) == (fail["status"], error)
    assert "x-ncp-trace-id" in answer.headers


def test_a_forced_failure_can_have_a_body_of_its_own(start, send):
    emulator = start(with_fail(status=502, body="<h1>Bad Gateway</h1>"))
    answer = send(emulator, "GET", VALUE, AUTH)
    assert (answer.status, answer.body) == (502, b"<h1>Bad Gateway</h1>")
    assert answer.headers["content-type"] == "text/html"


def test_more_requests_a_second_than_allowed_are_throttled(start, send, clock):
    emulator = start({"kakaocloud": SEED["kakaocloud"] | {"rate_limit": 2}})
    assert [send(emulator, "GET", VALUE, AUTH).status for _ in range(4)] == [200, 200, 429, 429]
    clock.now += 0.5
    assert [send(emulator, "GET", VALUE, AUTH).status for _ in range(2)] == [200, 429]
    clock.now += 60
    assert [send(emulator, "GET", VALUE, AUTH).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (VALUE, {"error": {"code": "TooManyRequests", "message": "Too many requests."}}),
        (
            "/kakaocloud-iam/identity/v3/auth/tokens",
            {"error": {"code": 429, "message": "Too Many Requests.", "title": "Too Many Requests"}},
        ),
        ("/secretmanager/api/v1/secrets", {"error": {"errorCode": "420", "message": "Rate Limited"}}),
    ],
)
def test_a_throttled_request_is_told_when_to_come_back_in_its_apis_shape(start, send, target, error):
    emulator = start({"rate_limit": 0.001})
    send(emulator, "GET", target)
    answer = send(emulator, "GET", target)
    assert (answer.status, answer.headers["retry-after"], answer.json) == (429, "1", error)


def test_one_provider_is_not_throttled_for_another(start, send):
    emulator = start({"kakaocloud": SEED["kakaocloud"], "ncloud": {"rate_limit": 0.001}})
    send(emulator, "GET", "/secretmanager/api/v1/secrets")
    assert send(emulator, "GET", "/secretmanager/api/v1/secrets").status == 429
    assert send(emulator, "GET", VALUE, AUTH).status == 200
    assert [send(emulator, "GET", "/latest/none").status for _ in range(2)] == [404, 404]


def test_a_delayed_answer_comes(start, send):
    assert send(start({"delay": "1ms"} | SEED), "GET", VALUE, AUTH).status == 200


def test_the_end_does_not_wait_for_delayed_answers():
    with (
        Emulator(parse_seed({"delay": "1d"} | SEED)) as emulator,
        socket.create_connection(_address(emulator)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET " + VALUE.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(5) == b"HTTP/"
        emulator.close()
        assert b"200 OK" not in _all_of(client)


# --- how it starts and ends ---


def test_the_end_hangs_up_on_everyone():
    with Emulator(parse_seed(SEED)) as emulator, socket.create_connection(_address(emulator)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(5) == b"HTTP/"
        address = _address(emulator)
        emulator.close()
        assert _all_of(client)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_port_in_use_is_told(start):
    port = urlsplit(start(SEED).url).port
    with (
        pytest.raises(CannotStart, match=f"cannot listen on port {port} of 127.0.0.1: it is in use") as caught,
        Emulator(parse_seed({}), port=port),
    ):
        pass
    assert caught.value.hint == "choose another port, or 0 for a free one"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "127.0.0.1.example.com", "\x1b[2J"])
def test_a_host_that_is_not_loopback_is_refused(host):
    with pytest.raises(CannotStart, match="is not a loopback address"):
        Emulator(parse_seed({}), host)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("127.0.0.2", "http://127.0.0.2:"),
        ("localhost", "http://localhost:"),
        ("::1", "http://[::1]:"),
        ("[::1]", "http://[::1]:"),
    ],
)
def test_every_loopback_address_will_do(start, send, host, origin):
    try:
        emulator = start(SEED, host=host)
    except CannotStart as error:
        pytest.skip(f"this machine has not that address: {error}")
    assert emulator.url.startswith(origin)
    assert send(emulator, "GET", VALUE, AUTH).status == 200


def test_an_emulator_that_was_not_started_has_no_url():
    with pytest.raises(RuntimeError, match="with statement"):
        _ = Emulator(parse_seed({})).url


def _address(emulator):
    parts = urlsplit(emulator.url)
    return parts.hostname, parts.port


def _all_of(client):
    received = b""
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received
