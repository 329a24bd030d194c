"""What somebody asked and is still to be told (RFC 4861 7.2.4)."""

from __future__ import annotations


class Answer:
    """An advertisement that has not left yet; `mac` None: the asker's is not known."""

    __slots__ = ("asker_ip", "asker_mac", "listed", "target")

    def __init__(self, target: bytes, asker_ip: bytes, asker_mac: bytes | None) -> None:
        self.target = target
        self.asker_ip = asker_ip
        self.asker_mac = asker_mac
        self.listed = True
