"""From instances to findings: image reading, pre- and postprocessing, devices."""
