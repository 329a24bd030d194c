"""Codecs: bytes <-> fields. Pure functions without state or time.

`parse_*` raise a `WireError` for bytes that are not what they claim; `build_*` return
bytes. The Stack's hot path does not call them: it unpacks with the `HEADER` structs.
"""
