"""What other systems are asked: echo, C-FIND, QIDO-RS, and to give what they hold."""
