"""An installation as a file: everything that administrators set, written down and brought about."""
