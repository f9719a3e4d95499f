"""The HTTP face: routes that translate, and the desk where they meet the ledger."""
