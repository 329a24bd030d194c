"""A stack inside somebody's event loop, one folder for each kind of loop."""
