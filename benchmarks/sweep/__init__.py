"""TCP over an impaired link in virtual time: every combination of what a path does."""
