"""What the RFCs of TCP and IPv6 require, requirement by requirement, as packet scripts.

A folder for each RFC, a file for each section; `requirement` names what a test shows,
`rows.py` and `rows6.py` list what tests elsewhere show and what is not done.
docs/conformance.md is drawn from them: ``python docs/generate.py``.
"""
