"""What goes wrong on purpose: rate limits and forced failures. The only state that requests change."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from .state import Fail, Seed


class Faults:
    """The seed's rate limits and forced failures, counted while requests come in from many threads."""

    def __init__(self, seed: Seed, clock: Callable[[], float]) -> None:
        rates = {provider: traffic.rate_limit for provider, traffic in seed.traffic.items()}
        self._buckets = {provider: _Bucket(rate, clock()) for provider, rate in rates.items() if rate}
        self._fails = {
            **{("kakaocloud", id): secret.fail for id, secret in seed.kakaocloud.secrets.items()},
            **{("ncloud", id): secret.fail for id, secret in seed.ncloud.secrets.items()},
        }
        self._failed: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._clock = clock

    def throttled(self, provider: str) -> bool:
        """Count one request; whether it is one more than the provider's rate allows."""
        bucket = self._buckets.get(provider)
        with self._lock:
            return bucket is not None and not bucket.take(self._clock())

    def forced(self, provider: str, secret: str) -> Fail | None:
        """The failure to answer with instead of this secret's value, if it is not used up."""
        fail = self._fails.get((provider, secret))
        if fail is None:
            return None
        with self._lock:
            self._failed[provider, secret] += 1
            used_up = fail.times is not None and self._failed[provider, secret] > fail.times
        return None if used_up else fail


class _Bucket:
    """A token bucket: `rate` tokens a second, and at most one second's worth of them."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate)
        self._tokens = self._most
        self._then = now

    def take(self, now: float) -> bool:
        elapsed = max(0.0, now - self._then)
        self._tokens = min(self._most, self._tokens + elapsed * self._rate)
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
