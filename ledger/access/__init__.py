"""Who asks, and what they may ask: decided here, for every face, and kept a second time by the database itself."""

from ledger.access.principal import PUBLIC, Principal, Role

__all__ = ["PUBLIC", "Principal", "Role"]
