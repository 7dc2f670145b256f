"""Everything optional or foreign, one file each; `adapters.wiring` chooses."""
