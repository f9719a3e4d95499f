"""How the ledger is kept: tables, migrations, reference data and the embedded database."""
