"""What other systems are asked: echo, QIDO-RS, WADO-RS."""
