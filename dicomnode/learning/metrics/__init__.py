"""How good a model is: figures with their intervals, calibration, operating points."""
