"""How evidence goes out: the outbox, C-STORE and STOW-RS senders."""
