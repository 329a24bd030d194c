"""The harness measures what it says, and says what it measured."""
