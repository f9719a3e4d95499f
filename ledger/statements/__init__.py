"""A statement as a file: CSV for programs, PDF for people and archives. Both say only what the statement says."""

from ledger.statements.pdf import MOST_LINES, pdf_of
from ledger.statements.sheet import csv_of

__all__ = ["MOST_LINES", "csv_of", "pdf_of"]
