"""Our TCP and Linux's over the same impaired link, in real time."""
