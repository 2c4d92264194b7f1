"""Both clouds' secret APIs on loopback: to develop and test without the clouds.

with Emulator(load_seed("seed.toml")) as emulator:
    emulator.endpoints["kakaocloud"]        # http://127.0.0.1:PORT/kakaocloud
"""

from .seed import SeedError, load_seed, parse_seed
from .server import CannotStart, Emulator, LoggedRequest, serve, tls_context

__all__ = [
    "CannotStart",
    "Emulator",
    "LoggedRequest",
    "SeedError",
    "load_seed",
    "parse_seed",
    "serve",
    "tls_context",
]
