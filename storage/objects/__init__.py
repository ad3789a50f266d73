"""Finished files: in a folder of this machine, or in an S3-compatible object store."""
