"""The node's own upper layer (PS3.8) for those who call it: one blocking thread and one buffer per association."""
