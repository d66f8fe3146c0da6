"""How instances come in: C-STORE SCP, STOW-RS, pollers, study completion."""
