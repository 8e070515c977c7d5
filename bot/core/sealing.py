"""Encryption of what opens something and must be kept: whoever reads the database, its log or a backup cannot use it."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

_VERSION = "v1:"  # AES-256-GCM: a nonce of 12 bytes, the encrypted text, a tag of 16 bytes; in URL-safe base64
_PURPOSE = b"easel: interaction tokens"
_NONCE_BYTES = 12


class Sealer:
    """Seals texts with a key that follows from a secret of the settings, so that it is never stored."""

    def __init__(self, secret: str) -> None:
        # Imported here: it takes 9 MB, which only a running bot needs.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        self._cipher = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode()))

    def seal(self, text: str, *, about: str) -> str:
        """The sealed text. It can only be opened with the same `about`, such as the id of the row that holds it."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), about.encode())).decode()

    def open(self, sealed: str, *, about: str) -> str | None:
        """The text. None if it was sealed with another secret, for something else, or was damaged.

        A text of the version before, which sealed nothing, is returned as it is.
        """
        from cryptography.exceptions import InvalidTag

        if not sealed.startswith(_VERSION):
            return sealed
        try:
            kept = urlsafe_b64decode(sealed.removeprefix(_VERSION))
            return self._cipher.decrypt(kept[:_NONCE_BYTES], kept[_NONCE_BYTES:], about.encode()).decode()
        except (InvalidTag, ValueError):
            return None
