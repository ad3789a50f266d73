"""The tables: one module per family, migrations as plain SQL, and nothing that knows about Redis."""
