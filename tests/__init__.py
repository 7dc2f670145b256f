"""The suites, and what they share: the fake providers, the service in a process of its own."""
