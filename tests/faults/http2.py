"""What a server can do wrong over HTTP/2 alone: acts and doors."""

from __future__ import annotations

import socket
import struct

import hpack

from .server import Exchange, Host, Http2, Reply, agreed, good, silence

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 9
END_STREAM, END_HEADERS = 1, 4


def goaway(exchange: Exchange) -> None:
    """Say GOAWAY: no stream was looked at; and end the connection."""
    stream = _stream(exchange)
    stream.frame(GOAWAY, struct.pack(">II", 0, 0), stream=0)
    stream.connection.close()


def answers_and_goes(exchange: Exchange) -> None:
    """A good answer, and GOAWAY behind it."""
    stream = _stream(exchange)
    stream.reply(good(exchange))
    stream.frame(GOAWAY, struct.pack(">II", stream.stream, 0), stream=0)


def rst(code: int) -> object:
    """Reset the stream with an error code."""

    def act(exchange: Exchange) -> None:
        _stream(exchange).frame(RST_STREAM, struct.pack(">I", code))

    return act


def half(exchange: Exchange) -> None:
    """Headers that promise 400 bytes, and a few of them."""
    stream = _stream(exchange)
    stream.h2.send_headers(stream.stream, [(":status", "200"), ("content-length", "400")])
    stream.h2.send_data(stream.stream, b'{"version":')
    stream.peer.flush()


def half_and_rst(code: int) -> object:
    """The same, and a reset."""

    def act(exchange: Exchange) -> None:
        half(exchange)
        _stream(exchange).frame(RST_STREAM, struct.pack(">I", code))

    return act


def half_and_end(exchange: Exchange) -> None:
    """The same, and the end of the stream."""
    half(exchange)
    _stream(exchange).frame(DATA, b"", flags=END_STREAM)


def half_and_cut(exchange: Exchange) -> None:
    """The same, and the end of the connection."""
    half(exchange)
    exchange.cut()
    exchange.connection.close()


def headers_only(exchange: Exchange) -> None:
    """Headers, and nothing more."""
    stream = _stream(exchange)
    stream.h2.send_headers(stream.stream, [(":status", "200")])
    stream.peer.flush()


def nothing(_exchange: Exchange) -> None:
    """No answer to this stream."""


def drips(exchange: Exchange) -> None:
    """Headers, then a byte of a body at a time."""
    headers_only(exchange)
    stream = _stream(exchange)
    exchange.drip(_frame(DATA, b" ", 0, stream.stream))


def pings(exchange: Exchange) -> None:
    """PING frames, for ever."""
    exchange.drip(_frame(PING, b"12345678", 0, 0) * 10)


def settings(exchange: Exchange) -> None:
    """SETTINGS frames, for ever."""
    exchange.drip(_frame(SETTINGS, struct.pack(">HI", 3, 100), 0, 0) * 10)


def endless(_exchange: Exchange) -> Reply:
    """More than anybody takes."""
    return Reply(200, (), b" " * (8 << 20))


def continuations(exchange: Exchange) -> None:
    """HEADERS, and CONTINUATION frames that never end."""
    stream = _stream(exchange)
    stream.frame(HEADERS, hpack.Encoder().encode([(":status", "200")]))
    header = hpack.Encoder().encode([("x-a", "b" * 8000)], huffman=False)
    exchange.pour(_frame(CONTINUATION, header, 0, stream.stream))


def hpack_bomb(exchange: Exchange) -> None:
    """A header of 3 KB in the table, and thousands of references to it."""
    stream = _stream(exchange)
    encoder = hpack.Encoder()
    block = encoder.encode([(":status", "200"), ("x-a", "b" * 3000)], huffman=False)
    block += encoder.encode([("x-a", "b" * 3000)] * 8000, huffman=False)
    stream.frame(HEADERS, block[:16000])
    stream.frame(CONTINUATION, block[16000:], flags=END_HEADERS)


def no_status(exchange: Exchange) -> None:
    """Headers without `:status`."""
    stream = _stream(exchange)
    block = hpack.Encoder().encode([("content-type", "application/json")])
    stream.frame(HEADERS, block, flags=END_HEADERS | END_STREAM)


def unknown_stream(exchange: Exchange) -> None:
    """Data for a stream that nobody opened, and the end."""
    _stream(exchange).frame(DATA, b"x", stream=99)
    silence(exchange.connection)


def pushes(exchange: Exchange) -> None:
    """A push that nobody wants, then a good answer, if anybody is still there; and the end."""
    stream = _stream(exchange)
    pairs = [(":method", "GET"), (":scheme", "https"), (":authority", "127.0.0.1"), (":path", "/x")]
    block = hpack.Encoder().encode(pairs)
    if exchange.host.connections == 1:
        stream.frame(PUSH_PROMISE, struct.pack(">I", 2) + block, flags=END_HEADERS)
    stream.reply(good(exchange))


def floods(exchange: Exchange) -> None:
    """Data beyond the window, as much as the connection takes."""
    headers_only(exchange)
    exchange.pour(_frame(DATA, b" " * 16000, 0, _stream(exchange).stream))


def noise(exchange: Exchange) -> None:
    """Bytes that are no frames, and the end."""
    exchange.connection.sendall(bytes(range(256)) * 8)
    silence(exchange.connection)


def speaks_http1(host: Host, raw: socket.socket) -> None:
    """Agree on HTTP/2, and speak HTTP/1.1."""
    with agreed(host, raw, "h2") as connection:
        connection.recv(1 << 16)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{"version":{"secret":"x"}}')
        silence(connection)


def speaks_http2_unasked(host: Host, raw: socket.socket) -> None:
    """Agree on nothing, and speak HTTP/2."""
    with agreed(host, raw) as connection:
        connection.recv(1 << 16)
        connection.sendall(_frame(SETTINGS, b"", 0, 0) + b"\r\n\r\n")


def _stream(exchange: Exchange) -> Http2:
    assert isinstance(exchange, Http2), "acts of HTTP/2 are played over HTTP/2"
    return exchange


def _frame(kind: int, payload: bytes, flags: int, stream: int) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload
