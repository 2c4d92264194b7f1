"""What a body is once its compression is undone: the same for every transport, and never more than an answer may be.

Nobody asks for compression. What a server compresses all the same is read where zlib can, and refused else.
"""

from __future__ import annotations

from . import LARGEST_ANSWER, SENSELESS, TOO_LARGE, Answer, Failure

_NONE = ("", "identity")
_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""zlib's `wbits` for each coding; some servers send deflate without its frame."""


def whole(answer: Answer) -> Answer | Failure:
    """The answer, its body without `Content-Encoding`. Source: RFC 9110, 8.4.

    Of an answer that is no success the status counts, also where its body cannot be read: then it has none.
    """
    body = _decoded(answer)
    if body is answer.body:
        return answer
    if not isinstance(body, Failure):
        return answer.replace(body=body)
    return body if answer.status == 200 else answer.replace(body=b"")


def _decoded(answer: Answer) -> bytes | Failure:
    codings = [name.strip().lower() for name in answer.headers.get("content-encoding", "").split(",")]
    codings = [name for name in codings if name not in _NONE]
    if not codings or not answer.body:
        return answer.body
    if len(codings) > 1 or codings[0] not in _WINDOWS:
        return Failure(SENSELESS, "its answer is compressed in a way that nobody asked for")
    return _inflated(answer.body, _WINDOWS[codings[0]])


def _inflated(body: bytes, windows: tuple[int, ...]) -> bytes | Failure:
    import zlib  # hardly ever needed

    for window in windows:
        inflater = zlib.decompressobj(window)
        try:
            plain = inflater.decompress(body, LARGEST_ANSWER + 1)
        except zlib.error:
            continue
        if len(plain) > LARGEST_ANSWER:
            return Failure(TOO_LARGE, f"the answer is larger than {LARGEST_ANSWER >> 20} MiB")
        if inflater.eof and not inflater.unused_data:
            return plain
    return Failure(SENSELESS, "its answer is compressed in a broken way")
