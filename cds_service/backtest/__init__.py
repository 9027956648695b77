"""Runs recorded hook calls through the pipeline and counts what clinicians would have seen."""
