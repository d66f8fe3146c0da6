"""Mammography exams: their views read, prepared, shown to a network, and answered for, breast by breast."""
