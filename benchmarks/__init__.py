"""Ratios against the kernel on the same kind of link, in one run."""
