"""Fake providers on loopback, and the scripts that measure the service beside them."""
