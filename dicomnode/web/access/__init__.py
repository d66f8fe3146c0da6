"""Who may use the web role: accounts, tokens, logins, and the guard that every route stands behind."""
