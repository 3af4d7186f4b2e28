"""What PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5802 and 7677): it proves the password and does not hold it.

https://www.postgresql.org/docs/17/catalog-pg-authid.html
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64encode

_ROUNDS = 4096
_SALT_BYTES = 16


def verifier(password: str) -> str:
    """The text that stands for a password in an order to the server.

    Args:
        password: of ASCII characters alone, so that it needs no preparation (SASLprep).
    """
    salt = secrets.token_bytes(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ROUNDS)
    stored_key = hashlib.sha256(_digest(salted, b"Client Key")).digest()
    keys = ":".join(map(_text, (stored_key, _digest(salted, b"Server Key"))))
    return f"SCRAM-SHA-256${_ROUNDS}:{_text(salt)}${keys}"


def _digest(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
