"""Predictions that somebody waits for: a process that is asked over a socket, and keeps nothing of what it is given.

`wire` and `question` are for both ends and import neither torch nor MONAI; whoever asks starts the process
(``python -m dicomnode.inference.on_request``).
"""
