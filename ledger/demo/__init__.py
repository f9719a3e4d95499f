"""The demo: the public record of deals as files that `capledger post` takes, and what the ledger then says of them."""
