"""The steps that bring the database of approved projects to the schema this version needs; `adapters/migrate.py`."""
