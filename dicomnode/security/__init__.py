"""Who may do what, and how it is proven: certificates, audit messages, passwords."""
