"""Stands in for the part of cryptography that the cache uses; its own is written in Rust. Here OpenSSL does it."""
