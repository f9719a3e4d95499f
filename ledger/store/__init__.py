"""The only package that runs SQL: reading and writing the journal and its projections."""
