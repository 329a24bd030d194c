"""What the RFCs of TCP require, requirement by requirement, as packet scripts.

A folder for each RFC, a file for each section; `requirement` names what a test shows,
`rows.py` lists what no script can show and what is not done. docs/conformance.md is
drawn from both: ``python docs/generate.py``.
"""
